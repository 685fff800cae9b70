"""A service whose leases have all run out while it has work: one call for help for each job and outage."""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from jobs import tasks
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.models import JobEvent, Location, Service
from jobs.services import leases
from jobs.services.clock import database_now
from jobs.services.leases import sweep_leases
from jobs.services.registry import delete_location, put_location
from tests.concurrency.threads import at_once
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


def lease(story: Story, service: str = "pay", seconds: int = 10, location: uuid.UUID | None = None) -> uuid.UUID:
    """The service registers a location, or renews its lease."""
    location = location or uuid.uuid4()
    values = {"url": f"https://{service}.example/", "lease_seconds": seconds, "priority": None, "kind": None}
    put_location(service, location, story.service(service), values, precondition=NO_PRECONDITION, now=story.now)
    return location


def at_work(story: Story | None = None, **given: Any) -> Story:
    """A job in which `pay` works."""
    story = story or Story()
    story.put_job(max_ttl=3600)
    story.put_task("pay", **({"status": "working"} | given))
    return story


def beside(story: Story, **given: Any) -> Story:
    """Another such job, now."""
    return at_work(Story(now=story.now), **given)


def lost(story: Story | None = None) -> list[JobEvent]:
    rows = JobEvent.objects.filter(kind="service.lost").order_by("id").select_related("task")
    return list(rows.filter(job_id=story.job_id) if story else rows)


def mark() -> Any:
    return Service.objects.get(name="pay").leases_lost_at


def test_a_service_whose_leases_have_run_out_with_work_is_told_once() -> None:
    story = at_work()
    lease(story)
    lease(story, seconds=20)
    assert sweep_leases(story.after(10)) == 0  # one still runs
    assert sweep_leases(story.after(10)) == 1
    (event,) = lost()
    assert (event.cause, event.actor, event.task, event.at) == ("leasesLost", "choreo", story.task("pay"), story.now)
    assert event.data == {"service": "pay", "since": story.now.isoformat()}
    assert mark() == story.now
    assert [sweep_leases(story.after(5)) for _ in range(3)] == [0, 0, 0]
    assert len(lost()) == 1


def test_never_early() -> None:
    story = at_work()
    lease(story)
    assert sweep_leases(story.after(10 - 0.000001)) == 0
    assert sweep_leases(story.after(0.000001)) == 1


def test_each_job_with_work_of_it_is_told_also_one_that_began_when_it_was_lost_already() -> None:
    first = at_work()
    lease(first)
    second = beside(first)
    assert sweep_leases(first.after(10)) == 2
    third = beside(first)
    assert sweep_leases(first.after(5)) == 1
    assert [len(lost(story)) for story in (first, second, third)] == [1, 1, 1]
    assert {event.data["since"] for event in lost()} == {mark().isoformat()}


def test_a_job_is_told_once_however_many_tasks_work_in_it() -> None:
    story = at_work()
    story.put_task("again", by="pay", status="working")
    lease(story)
    assert sweep_leases(story.after(10)) == 1
    assert [event.task for event in lost()] == [story.task("pay")]


def test_the_next_outage_is_told_anew() -> None:
    story = at_work()
    location = lease(story)
    assert sweep_leases(story.after(10)) == 1
    lease(story, location=location)
    assert mark() is None
    assert sweep_leases(story.after(9)) == 0
    assert sweep_leases(story.after(1)) == 1
    assert len({event.data["since"] for event in lost(story)}) == 2


@pytest.mark.parametrize("status", ["pending", "completed", "failed"])
def test_a_service_without_work_has_lost_nothing(status: str) -> None:
    story = at_work(status=status)
    lease(story)
    assert sweep_leases(story.after(10)) == 0
    assert (mark(), lost()) == (None, [])


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_work_in_a_job_that_is_not_live_any_more_does_not_count(end: str) -> None:
    story = at_work()
    story.patch_job(status=end)
    lease(story)
    assert sweep_leases(story.after(10)) == 0
    assert (mark(), lost()) == (None, [])


def test_a_service_that_never_registered_has_lost_nothing() -> None:
    story = at_work()
    lease(story, "other")
    assert sweep_leases(story.after(60)) == 0


def test_a_service_that_left_in_good_order_has_lost_nothing_even_if_it_once_crashed() -> None:
    story = at_work()
    lease(story)  # the lease of a process that was killed
    second = lease(story, seconds=30)
    story.after(15)
    delete_location("pay", second, story.service("pay"), precondition=NO_PRECONDITION, now=story.now)
    assert sweep_leases(story.after(60)) == 0
    assert (mark(), lost()) == (None, [])


def test_a_renewal_at_the_very_moment_of_the_loss_ends_it() -> None:
    story = at_work()
    location = lease(story)
    sweep_leases(story.after(10))
    Location.objects.filter(location_id=location).update(lease_expires_at=story.now + timedelta(seconds=10))
    assert sweep_leases(story.after(1)) == 0
    assert mark() is None


def test_a_job_that_cannot_be_told_holds_up_no_other_and_is_told_later() -> None:
    stories = [story := at_work(), *(beside(story) for _ in range(3))]
    lease(story)
    real = leases._tell

    def sometimes(job_id: uuid.UUID, *rest: Any) -> bool:
        if job_id == stories[1].job_id:
            raise DatabaseError("a bug")
        return real(job_id, *rest)

    with patch.object(leases, "_tell", sometimes):
        assert sweep_leases(story.after(10)) == 3
    assert sweep_leases(story.after(5)) == 1
    assert [len(lost(each)) for each in stories] == [1, 1, 1, 1]


def test_a_sweep_that_dies_between_the_mark_and_the_jobs_loses_none() -> None:
    story = at_work()
    lease(story)
    with patch.object(leases, "_tell_jobs", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        sweep_leases(story.after(10))
    assert (mark(), lost()) == (story.now, [])
    assert sweep_leases(story.after(5)) == 1


def test_more_jobs_than_a_batch_are_all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_BATCH", 2)
    story = at_work()
    for _ in range(4):
        beside(story)
    lease(story)
    assert sweep_leases(story.after(10)) == 5
    assert len(lost()) == 5


def test_it_asks_little_when_nothing_is_lost_and_no_more_with_more_jobs() -> None:
    story = at_work()
    lease(story)

    def asked() -> int:
        with CaptureQueriesContext(connection) as captured:
            sweep_leases(story.now)
        return len(captured)

    before = asked()
    for _ in range(5):
        beside(story)
    assert asked() == before <= 3


def test_the_scheduled_task_sweeps_by_the_clock_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)  # this test's own is not to be closed
    story = at_work(Story(now=database_now() - timedelta(seconds=60)))
    lease(story)
    assert tasks.sweep_leases() == 1
    assert lost()[0].at >= story.now + timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
def test_sweeps_that_overlap_tell_each_job_once() -> None:
    story = at_work()
    others = [beside(story) for _ in range(7)]
    lease(story)
    now = story.after(10)
    assert sum(at_once(*[lambda: sweep_leases(now)] * 4)) == 8
    assert [len(lost(each)) for each in (story, *others)] == [1] * 8


@pytest.mark.django_db(transaction=True)
def test_a_loss_against_a_renewal_never_leaves_a_service_lost_that_has_a_lease() -> None:
    for _ in range(5):
        story = at_work()
        location = lease(story)
        story.after(10)
        at_once(partial(sweep_leases, story.now), partial(lease, story, location=location))
        assert mark() is None
        assert len(lost(story)) <= 1
