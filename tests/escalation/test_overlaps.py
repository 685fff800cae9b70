"""Sweeps and people that meet, with real threads on PostgreSQL; on SQLite the same runs one by one."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from escalation.models import Incident, IncidentCause, Notification
from escalation.services.answering import acknowledge
from escalation.services.deliveries import deliver_due
from escalation.services.sweeps import sweep_incidents
from jobs.domain.events import Cause, EventKind
from jobs.services.history import record
from tests.escalation.helpers import Provider, contact, overdue_job, policy, providers, the_incident

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[BaseException]:
    """Run each in a thread of its own, let go together; what they raised."""
    barrier, errors = threading.Barrier(len(works)), list[BaseException]()

    def one(work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def test_sweeps_that_overlap_take_in_each_entry_once() -> None:
    policy((0, [contact("Ann")]))
    stories = [overdue_job() for _ in range(8)]
    now = stories[0].now
    for story in stories:
        for _ in range(3):
            record(story.job, EventKind.REPORT_WRITTEN, actor="x", now=now, cause=Cause.TASK_FAILED)
    assert at_once(*[lambda: sweep_incidents(now)] * 4) == []
    sweep_incidents(now)  # whatever one of them left for later
    assert Incident.objects.count() == 8
    assert IncidentCause.objects.count() == 32
    assert Notification.objects.count() == 8


def test_an_answer_in_the_midst_of_the_sending_stops_it_or_comes_after_it() -> None:
    policy((0, [contact(f"P{number}") for number in range(20)]))
    story = overdue_job()
    sweep_incidents(story.now)
    incident, mail = the_incident(), Provider()
    with providers(email=[mail]):
        assert (
            at_once(
                lambda: deliver_due(story.now),
                lambda: acknowledge(incident.pk, "P0", story.now),
                lambda: deliver_due(story.now),
                lambda: sweep_incidents(story.now),
            )
            == []
        )
        deliver_due(story.now)
    calls = Notification.objects.filter(kind="opened")
    assert set(calls.values_list("status", flat=True)) <= {"sent", "withdrawn"}
    sent = set(calls.filter(status="sent").values_list("address", flat=True))
    told = set(Notification.objects.filter(kind="acknowledged").values_list("address", flat=True))
    assert told == sent  # whoever was woken knows that it is in hand, and nobody else is bothered


def test_two_acknowledgements_at_once_are_one() -> None:
    policy((0, [contact("Ann"), contact("Bob")]))
    story = overdue_job()
    sweep_incidents(story.now)
    with providers():
        deliver_due(story.now)
    pk = the_incident().pk
    assert at_once(*[lambda name=name: acknowledge(pk, name, story.now) for name in ("Ann", "Bob")]) == []
    assert the_incident().notes.filter(kind="acknowledged").count() == 1
    assert Notification.objects.filter(kind="acknowledged").count() == 2
