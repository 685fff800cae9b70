"""/healthz and /readyz."""

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from choreo_web import health
from choreo_web.celery import app
from choreo_web.ports import free_port
from jobs.services import sweeps
from jobs.services.clock import database_now

TASKS = sorted(str(entry["task"]) for entry in app.conf.beat_schedule.values())
FREQUENT = [name for name in TASKS if name != "jobs.audit"]


def mark_all(now: datetime) -> None:
    for name in TASKS:
        sweeps.mark(name, now)


@pytest.mark.django_db
def test_liveness_asks_no_database(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_ready_when_every_sweep_ran_of_late(client: Client) -> None:
    mark_all(database_now())
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "broker": "ok", "sweeps": "ok"}
    assert sorted(answer.json()["sweepAgeSeconds"]) == TASKS


@pytest.mark.django_db
def test_not_ready_before_the_first_sweep(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"].isdigit()
    assert answer.json()["checks"]["sweeps"] == f"late: {', '.join(FREQUENT)}"


@pytest.mark.django_db
@pytest.mark.parametrize("name", TASKS)
def test_one_silent_sweep_is_enough(client: Client, name: str) -> None:
    now = database_now()
    mark_all(now)
    sweeps.mark(name, now - timedelta(minutes=2))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["sweeps"] == f"late: {name}"


def test_the_rare_sweep_may_come_later_but_not_stay_away() -> None:
    fresh = dict.fromkeys(FREQUENT, 1.0)
    assert health.late_sweeps(fresh) == []
    assert health.late_sweeps(fresh | {"jobs.audit": 60.0}) == []
    assert health.late_sweeps(fresh | {"jobs.audit": 90.0}) == ["jobs.audit"]


@pytest.mark.django_db
def test_a_database_that_is_away_is_told_without_a_word_about_where_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(now: datetime) -> dict[str, float]:
        raise OperationalError("connection to server at 10.1.2.3 failed")

    monkeypatch.setattr(sweeps, "ages", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "does not answer"
    assert "10.1.2.3" not in answer.text


@pytest.mark.django_db
def test_a_broker_that_is_away_is_told(client: Client, settings: Settings) -> None:
    mark_all(database_now())
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "broker": "does not answer", "sweeps": "ok"}


@pytest.mark.django_db
@pytest.mark.peer
def test_a_broker_that_answers_is_fine(client: Client, settings: Settings, redis_url: str) -> None:
    mark_all(database_now())
    settings.REDIS_URL = redis_url
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reads(client: Client, path: str) -> None:
    answer = client.post(path)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"


def test_the_root_leads_operators_to_their_screens(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
