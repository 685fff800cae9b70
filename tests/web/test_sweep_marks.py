"""The marks that sweeps leave."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from choreo_web import sweep_marks
from jobs.models import SweepBeat
from jobs.services import sweeps

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had marked nothing yet."""
    monkeypatch.setattr(sweep_marks, "_marked", {})


def succeed(name: str) -> None:
    sweep_marks.leave_mark(SimpleNamespace(name=name))


@pytest.mark.django_db
def test_ages_count_from_the_last_mark() -> None:
    sweeps.mark("a", NOON)
    sweeps.mark("a", NOON + timedelta(seconds=10))
    sweeps.mark("b", NOON)
    assert sweeps.ages(NOON + timedelta(seconds=12)) == {"a": 2.0, "b": 12.0}


@pytest.mark.django_db
def test_a_scheduled_sweep_that_succeeds_is_marked_and_others_are_not() -> None:
    succeed("jobs.sweep_calls")
    succeed("celery.backend_cleanup")
    assert [beat.name for beat in SweepBeat.objects.all()] == ["jobs.sweep_calls"]


@pytest.mark.django_db
def test_a_process_marks_a_sweep_once_in_a_while() -> None:
    succeed("jobs.sweep_calls")
    SweepBeat.objects.all().delete()
    succeed("jobs.sweep_calls")
    assert not SweepBeat.objects.exists()


def test_a_mark_that_cannot_be_written_spoils_nothing_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def away() -> datetime:
        calls.append("asked")
        raise OperationalError("away")

    monkeypatch.setattr(sweep_marks, "database_now", away)
    succeed("jobs.sweep_calls")
    succeed("jobs.sweep_calls")
    assert len(calls) == 2
