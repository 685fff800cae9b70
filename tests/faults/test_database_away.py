"""Whatever is asked while the database is away is answered by 503, for machines and for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError, connection
from django.test import Client

from jobs.api.problems import database_is_away
from tests.jobs.admin_scene import operator
from tests.jobs.api_client import BROWSER, Api

pytestmark = pytest.mark.django_db

AWAY = [OperationalError("server closed the connection unexpectedly"), InterfaceError("connection already closed")]
JOB, TASK, OTHER = uuid4(), uuid4(), uuid4()
READS = [
    "jobs",
    f"jobs/{JOB}",
    f"jobs/{JOB}/tasks",
    f"jobs/{JOB}/tasks/{TASK}",
    f"jobs/{JOB}/shared-state",
    f"jobs/{JOB}/progress",
    f"jobs/{JOB}/error-reports",
    f"jobs/{JOB}/error-reports/{OTHER}",
    f"jobs/{JOB}/incidents",
    f"jobs/{JOB}/incidents/{OTHER}",
    "services/cart/locations",
    f"services/cart/locations/{OTHER}",
    "vocabulary",
    "vocabulary/total",
]
WRITES: list[tuple[str, dict[str, Any]]] = [
    (f"jobs/{JOB}", {"jobName": "checkout"}),
    (f"jobs/{JOB}/cancellation", {}),
    (f"jobs/{JOB}/tasks/{TASK}", {"taskName": "tax"}),
    (f"jobs/{JOB}/shared-state", {}),
    (f"jobs/{JOB}/error-reports/{OTHER}", {"title": "broken"}),
    (f"services/cart/locations/{OTHER}", {"url": "https://cart.example", "leaseSeconds": 60}),
    ("vocabulary/total", {"title": "Total"}),
]


@contextmanager
def away(error: Exception) -> Iterator[None]:
    """Every query fails in this way."""

    def fail(*_: object) -> None:
        raise error

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_every_resource_says_503_and_when_to_try_again(error: Exception) -> None:
    api = Api("cart", "vocabulary")
    with away(error):
        answers = {f"GET {path}": api.get(path) for path in READS}
        answers |= {f"PUT {path}": api.put(path, body, if_match="*") for path, body in WRITES}
    for what, answer in answers.items():
        assert answer.status_code == 503, what
        assert answer["Content-Type"] == "application/problem+json", what
        assert answer["Retry-After"].isdigit(), what
        assert (answer.json()["status"], answer.json()["instance"].startswith("/api/")) == (503, True)
        assert str(error) not in answer.text


PAGES = {
    "dashboard": "/admin/",
    "list": "/admin/jobs/job/",
    "job": f"/admin/jobs/job/{JOB}/change/",
    "ack": "/ack/abc.def",
}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_a_person_sees_a_page_that_can_be_read(path: str) -> None:
    client = operator()
    client.raise_request_exception = False
    with away(AWAY[0]):
        page = client.get(path, headers={"accept": BROWSER})
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database does not answer" in page.text
    assert "no-store" in page["Cache-Control"]


def test_a_sign_in_that_cannot_be_checked_is_no_wrong_password() -> None:
    client = Client(raise_request_exception=False)
    with away(AWAY[0]):
        page = client.post("/admin/login/", {"username": "admin", "password": "correct-horse"})
    assert page.status_code == 503


@pytest.mark.parametrize("path", ["/api/v1/", "/healthz", "/api/v1/openapi.json"])
def test_what_needs_no_database_goes_on(path: str) -> None:
    with away(AWAY[0]):
        assert Client().get(path).status_code == 200


def test_a_fault_of_ours_is_still_a_500() -> None:
    api = Api("cart")
    with away(ProgrammingError("column does not exist")):
        assert api.get("jobs").status_code == 500


def test_what_counts_as_away() -> None:
    def chained(error: Exception, cause: Exception) -> Exception:
        error.__cause__ = cause
        return error

    standby = chained(InternalError("read-only"), psycopg.errors.ReadOnlySqlTransaction("read-only"))
    assert all(database_is_away(error) for error in [*AWAY, standby, chained(ValueError(), AWAY[0])])
    assert not any(
        database_is_away(error) for error in [None, ValueError(), InternalError("a bug"), ProgrammingError()]
    )
