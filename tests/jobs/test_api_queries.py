"""How many queries the hot requests make, whatever else the database holds."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.jobs.api_client import Api

pytestmark = pytest.mark.django_db
TOKEN = 1
"""Looking up the token, in every authenticated request."""


def _queries(send: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert send().status_code in {200, 201, 304}
    statements = [query["sql"] for query in captured.captured_queries]
    assert not [sql for sql in statements if "COUNT(*)" in sql.upper()]
    return len([sql for sql in statements if not sql.startswith(("SAVEPOINT", "RELEASE", "BEGIN"))])


@pytest.fixture
def api() -> Api:
    """A service that was seen a moment ago, so that noting it is not counted."""
    made = Api()
    made.get("jobs")
    return made


@pytest.fixture(params=[0, 5])
def job(request: pytest.FixtureRequest, api: Api) -> str:
    """A job with some tasks and some neighbours."""
    made = api.job()
    for _ in range(request.param):
        api.task(made)
        api.task(api.job())
    return made


def test_a_poll(api: Api, job: str) -> None:
    path = f"{job}/progress"
    tag = api.get(path)["ETag"]
    assert _queries(lambda: api.get(path)) == TOKEN + 1
    assert _queries(lambda: api.get(path, if_none_match=tag)) == TOKEN + 1


def test_a_job(api: Api, job: str) -> None:
    tag = api.get(job)["ETag"]
    assert _queries(lambda: api.get(job)) == TOKEN + 2
    assert _queries(lambda: api.get(job, if_none_match=tag)) == TOKEN + 2  # its tag is made of its tasks too


def test_a_list_of_jobs(api: Api, job: str) -> None:
    assert _queries(lambda: api.get("jobs?limit=2")) == TOKEN + 1


def test_a_task_is_written_with_a_fixed_number_of_statements(api: Api, job: str) -> None:
    path = f"{job}/tasks/{uuid.uuid4()}"
    clock = 1
    new = _queries(lambda: api.put(path, {"taskName": "x"}))
    again = _queries(lambda: api.put(path, {"taskName": "x"}))
    done = _queries(lambda: api.put(path, {"taskName": "x", "taskStatus": "completed"}))
    assert (new, again, done) == (TOKEN + clock + 5, TOKEN + clock + 2, TOKEN + clock + 5)
