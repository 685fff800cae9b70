"""Races with real threads: on PostgreSQL row locks decide, on SQLite its one writer at a time."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from jobs.domain.errors import ChoreoError
from jobs.models import Call, Job, JobEvent
from jobs.services import deadlines
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each work in a thread of its own, all let go at the same moment; results or refusals in order."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def one(position: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[position] = work()
        except ChoreoError as error:
            results[position] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_of_two_that_create_the_same_job_one_creates_it() -> None:
    for _ in range(20):
        story = Story()
        story.service("cart")
        first, second = at_once(story.put_job, story.put_job)
        assert {first.created, second.created} == {True, False}
        assert JobEvent.objects.filter(job_id=story.job_id).count() == 1


def test_of_two_that_report_the_same_task_one_creates_it() -> None:
    for _ in range(20):
        story = Story()
        story.put_job()
        story.service("tax")
        story.ids["tax"] = uuid.uuid4()
        first, second = at_once(lambda s=story: s.put_task("tax"), lambda s=story: s.put_task("tax"))  # type: ignore[misc]
        assert {first.created, second.created} == {True, False}


def test_finish_against_max_ttl_has_one_winner_and_no_finished_job_is_reverted() -> None:
    for _ in range(30):
        story = Story()
        story.put_job(max_ttl=5)
        story.chain("cart")
        story.after(10)
        at_once(lambda s=story: s.patch_job(status="completed"), lambda s=story: deadlines.expire_due(s.now))  # type: ignore[misc]
        ends = JobEvent.objects.filter(job_id=story.job_id, kind="job.status")
        assert ends.count() == 1
        assert (story.job.status == "completed") == (story.due() == [])


def test_overlapping_sweeps_cancel_each_job_once() -> None:
    stories = [Story() for _ in range(40)]
    for story in stories:
        story.put_job(max_ttl=5)
        story.chain("cart")
    late = stories[0].now + timedelta(seconds=60)
    counts = at_once(*[lambda: deadlines.expire_due(late)] * 4)
    assert sum(counts) == len(stories)
    assert Job.objects.filter(status="cancelling").count() == Call.objects.count() == len(stories)
    assert JobEvent.objects.filter(cause="jobMaxTTL").count() == len(stories)
