"""The IDs that travel on every message."""

import uuid
from typing import Any

import pytest
import structlog
from django.test import RequestFactory, override_settings

from jobs.api import correlation
from jobs.api.middleware import CorrelationMiddleware
from jobs.models import Task
from tests.jobs.api_client import Api, problem

pytestmark = pytest.mark.django_db
JOB_ID, TASK_ID = "6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10", "0b8f6a52-8a3e-4f0e-9f0d-3a1c55d2b7aa"
JOB, TASK = f"jobs/{JOB_ID}", f"jobs/{JOB_ID}/tasks/{TASK_ID}"


def _everything(api: Api, nobody: Api) -> list[Any]:
    """Responses of many statuses under the task's URL."""
    return [
        api.get(TASK),
        nobody.get(TASK),
        api.send("DELETE", TASK),
        api.send("OPTIONS", TASK),
        api.put(TASK, "{"),
        api.put(TASK, {}),
        api.put(TASK, "x", media_type="text/plain"),
        api.put(TASK, b" " * 300_000),
        api.get(TASK, accept="image/png"),
        api.get(f"{TASK}/nothing"),
        api.get(TASK, x_request_id="not-this-task"),
        api.get(TASK, host="evil.example"),
        api.get(TASK, accept="text/html"),
        api.put(TASK, {"taskName": "tax"}),
        api.get(TASK, if_none_match="*"),
    ]


def test_every_answer_bears_the_ids_of_its_url() -> None:
    api, nobody = Api(), Api(None)
    answers = [*_everything(api, nobody), api.put(JOB, {"jobName": "x"}), *_everything(api, nobody), api.get(TASK)]
    expected = {200, 201, 204, 303, 304, 400, 401, 404, 405, 406, 413, 415, 422}
    assert {answer.status_code for answer in answers} == expected
    for answer in answers:
        assert answer["correlation-id"] == JOB_ID
        if TASK_ID in answer.request["PATH_INFO"]:
            assert answer["request-id"] == TASK_ID


def test_under_a_job_the_request_id_is_the_callers_or_a_new_one() -> None:
    api = Api()
    assert api.get(JOB, request_id="mine")["request-id"] == "mine"
    assert uuid.UUID(api.get(JOB)["request-id"])


def test_elsewhere_a_valid_value_is_echoed_and_a_missing_request_id_made() -> None:
    nobody = Api(None)
    answer = nobody.get("", correlation_id="abc", x_request_id="def")
    assert (answer["correlation-id"], answer["request-id"]) == ("abc", "def")
    answer = nobody.get("/problems/")
    assert "correlation-id" not in answer
    assert uuid.UUID(answer["request-id"])


@pytest.mark.parametrize("name", ["correlation_id", "x_correlation_id", "request_id", "x_request_id"])
@pytest.mark.parametrize("path", [TASK, "", "/nowhere", "/admin/login/"])
@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "caf\xe9", "tab\there", "\x7f"])
def test_a_value_that_cannot_be_read_is_400_and_never_echoed(name: str, path: str, value: str) -> None:
    answer = Api(None).get(path, **{name: value})
    problem(answer, 400, "correlation-invalid")
    assert value == "" or value not in answer.content.decode() + str(answer.headers)
    if path == TASK:
        assert (answer["correlation-id"], answer["request-id"]) == (JOB_ID, TASK_ID)


@pytest.mark.parametrize("name", ["correlation_id", "x_correlation_id", "request_id", "x_request_id"])
def test_an_id_that_contradicts_the_url_is_400(name: str) -> None:
    api = Api()
    problem(api.get(TASK, **{name: str(uuid.uuid4())}), 400, "correlation-mismatch")
    right = {"correlation": JOB_ID, "request": TASK_ID}["request" if "request" in name else "correlation"]
    problem(api.get(TASK, **{name: right.upper()}), 404, "not-found")


def test_an_upper_case_id_is_the_lower_case_one() -> None:
    api = Api()
    api.put(JOB, {"jobName": "x"})
    answer = api.get(f"jobs/{JOB_ID.upper()}")
    assert (answer.json()["jobID"], answer["correlation-id"]) == (JOB_ID, JOB_ID)
    api.put(f"jobs/{JOB_ID.upper()}/tasks/{TASK_ID.upper()}", {"taskName": "x"})
    assert api.get(TASK)["request-id"] == TASK_ID


@pytest.mark.parametrize("segment", ["1", "x" * 36, JOB_ID.replace("-", ""), f"{{{JOB_ID}}}", f"{JOB_ID}x"])
def test_what_is_no_uuid_is_nothing(segment: str) -> None:
    answer = Api().get(f"jobs/{segment}", correlation_id="mine")
    problem(answer, 404, "not-found")
    assert answer["correlation-id"] == "mine"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("rubbish", False),
    ],
)
def test_a_valid_traceparent_is_kept_with_the_task(given: str, kept: bool) -> None:
    api = Api()
    api.put(JOB, {"jobName": "x"})
    assert api.put(TASK, {"taskName": "x"}, traceparent=given).status_code == 201
    assert Task.objects.get().traceparent == (given if kept else "")


def test_log_lines_bear_the_ids() -> None:
    seen: dict[str, Any] = {}

    def view(request: Any) -> Any:
        seen.update(structlog.contextvars.get_contextvars())
        from django.http import HttpResponse

        return HttpResponse()

    CorrelationMiddleware(view)(RequestFactory().get(f"/api/v1/{TASK}"))
    assert seen == {"correlation_id": JOB_ID, "request_id": TASK_ID}
    assert structlog.contextvars.get_contextvars() == {}


@override_settings(ROOT_URLCONF="tests.jobs.api_crash")
def test_a_crash_says_nothing_and_bears_the_ids() -> None:
    answer = Api(None).get(f"{JOB}/crash")
    body = problem(answer, 500, "internal")
    assert "secret" not in str(body)
    assert answer["correlation-id"] == JOB_ID
    assert int(answer["Retry-After"]) > 0


def test_of_path_takes_nothing_from_headers() -> None:
    path = f"/api/v1/jobs/{JOB_ID.upper()}/tasks/{TASK_ID.upper()}"
    assert correlation.of_path(path).headers() == {"correlation-id": JOB_ID, "request-id": TASK_ID}
