"""Beat's stand-in for sweeps that the broker does not bring to the workers."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from choreo_web import stand_in
from choreo_web.celery import app
from choreo_web.stand_in import StandIn, patience
from jobs.models import Job, SweepBeat
from jobs.services import sweeps
from jobs.services.clock import database_now
from tests.jobs.scenario import Story

PERIODS = {"often": 1.0, "rarely": 30.0}
FRESH = {"often": 1.5, "rarely": 40.0}


def nothing(name: str) -> None:
    """A sweep."""


class Looks(threading.Event):
    """An event that is set after so many waits, none of which takes time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(
    ("ages", "overdue"),
    [
        (FRESH, []),
        (FRESH | {"often": patience(1.0) + 0.1}, ["often"]),
        (FRESH | {"often": patience(1.0)}, []),
        (FRESH | {"rarely": 92.0}, ["rarely"]),
        ({"often": 900.0, "rarely": 900.0}, ["often", "rarely"]),
        (FRESH | {"of another version": 900.0}, []),
    ],
)
def test_it_does_what_was_not_done_for_a_few_periods(ages: Mapping[str, float], overdue: list[str]) -> None:
    assert StandIn(nothing, PERIODS).overdue(ages) == overdue


def test_it_steps_in_soon_enough_for_a_deadline_to_be_ten_seconds_late_at_most() -> None:
    assert patience(1.0) <= 5


def test_a_sweep_that_was_never_marked_is_as_old_as_the_stand_in() -> None:
    one = StandIn(nothing, PERIODS)
    assert one.overdue({}) == []
    one.begun -= patience(1.0)
    assert one.overdue({}) == ["often"]


def test_a_sweep_that_hangs_holds_up_no_other_and_is_not_started_twice() -> None:
    release, done = threading.Event(), threading.Event()
    one = StandIn(lambda name: release.wait(10) if name == "rarely" else done.set(), PERIODS)
    old = {"often": 900.0, "rarely": 900.0}
    threads = one.look(old)
    assert done.wait(10)
    threads[0].join(10)
    assert one.overdue(old) == ["often"]
    release.set()
    threads[1].join(10)
    assert one.overdue(old) == ["often", "rarely"]


@pytest.mark.parametrize("error", [OperationalError("away"), ZeroDivisionError("a bug")])
def test_a_sweep_that_fails_is_tried_again(error: Exception) -> None:
    def fail(name: str) -> None:
        raise error

    one = StandIn(fail, {"often": 1.0})
    for _ in range(2):
        (thread,) = one.look({"often": 900.0})
        thread.join(10)


@pytest.mark.parametrize("error", [OperationalError("away"), ZeroDivisionError("a bug")])
@pytest.mark.django_db
def test_a_look_that_fails_is_not_the_last(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[datetime] = []

    def ages(now: datetime) -> dict[str, float]:
        seen.append(now)
        if len(seen) == 1:
            raise error
        return dict(FRESH)

    monkeypatch.setattr(sweeps, "ages", ages)
    monkeypatch.setattr(stand_in, "_let_go_of_the_database", lambda: None)  # it is the test's own connection
    StandIn(nothing, PERIODS).keep_looking(Looks(2), 1.0)
    assert len(seen) == 2


@pytest.mark.django_db(transaction=True)
def test_deadlines_are_kept_without_a_broker_and_the_marks_say_that_the_workers_are_away() -> None:
    app.loader.import_default_modules()  # as beat does at its start
    story = Story()
    story.put_job()
    now = database_now()
    Job.objects.filter(pk=story.job.pk).update(deadline_at=now - timedelta(seconds=1))
    long_ago = now - timedelta(minutes=5)
    names = ["jobs.sweep_deadlines", "escalation.sweep_incidents"]
    for name in names:
        sweeps.mark(name, long_ago)
    one = StandIn(lambda name: app.tasks[name](), dict.fromkeys(names, 1.0))
    for thread in one.look(sweeps.ages(now)):
        thread.join(30)
    assert story.job.reason == "maxTTL"
    assert {beat.at for beat in SweepBeat.objects.all()} == {long_ago}
