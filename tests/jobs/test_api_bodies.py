"""Strict reading of bodies: media types, JSON, sizes and types of members."""

import io
import json
import uuid
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from jobs.api.errors import BodyTooLarge, LengthRequired, Malformed
from jobs.api.parsers import MAX_DEPTH, parse_document, read_body
from tests.jobs.api_client import Api, pointers, problem

pytestmark = pytest.mark.django_db

JOB = "jobs/6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10"
MALFORMED = [
    b"",
    b"   ",
    b"{",
    b"{'jobName': 'x'}",
    b'{"jobName": "x",}',
    b'{"jobName": "x"} {}',
    b'{"jobName": "x", "jobName": "y"}',
    b'{"jobName": "x", "a": {"b": 1, "b": 2}}',
    b'{"jobName": "x\\u0000"}',
    b'{"jobName": "x", "a\\u0000": 1}',
    b'{"jobName": "\\ud800"}',
    b'{"jobName": "x", "a": ["\\udfff"]}',
    b'{"jobName": "x", "a": NaN}',
    b'{"jobName": "x", "a": Infinity}',
    b'{"jobName": "x", "a": -Infinity}',
    b'{"jobName": "x", "a": 1e999}',
    b'{"jobName": "x", "a": ' + b"9" * 5000 + b"}",
    b'{"jobName": "x", "a": ' + b"[" * 32 + b"]" * 32 + b"}",
    b"[" * 100_000,
    b'{"jobName": "\xff"}',
    '{"jobName": "x"}'.encode("utf-16"),
    b"\xef\xbb\xbf" + b'{"jobName": "x"}',
    b'{"jobName": "a\nb"}',
    b'{"jobName": 01}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:40]))
@pytest.mark.parametrize("path", [JOB, f"{JOB}/shared-state"])
def test_what_is_not_one_clear_json_value_is_malformed(body: bytes, path: str) -> None:
    problem(Api().put(path, body), 400, "malformed")


def test_nesting_counts_only_what_is_not_in_strings() -> None:
    value = '{"a": ' + "[" * (MAX_DEPTH - 1) + '"' + "[{" * 50 + '"' + "]" * (MAX_DEPTH - 1) + "}"
    assert parse_document(value.encode()).text == value


@pytest.mark.parametrize("text", ['"' + '\\"' * 200_000, '"' * 200_001, "[" * 32 + '"\\'])
def test_a_hostile_text_is_refused_in_no_time(text: str) -> None:
    with pytest.raises(Malformed):
        parse_document(f"{'{' * 40}{text}".encode())


_LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(_LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=20))
def test_what_json_can_say_is_read_as_json_does(value: Any) -> None:
    text = json.dumps(value)
    try:
        assert parse_document(text.encode()).value == value
    except Malformed:
        assert "\\u0000" in text or "\\ud" in text  # the only values that are refused


@pytest.mark.parametrize(
    ("method", "media_type", "expected"),
    [
        ("PUT", "application/json", 201),
        ("PUT", "application/json; charset=utf-8", 201),
        ("PUT", "APPLICATION/JSON", 201),
        ("PUT", "text/plain", 415),
        ("PUT", "application/x-www-form-urlencoded", 415),
        ("PUT", "application/merge-patch+json", 415),
        ("PUT", "", 415),
        ("PATCH", "application/merge-patch+json", 404),
        ("PATCH", "application/json", 404),
        ("PATCH", "application/xml", 415),
    ],
)
def test_media_types(method: str, media_type: str, expected: int) -> None:
    response = Api().send(method, f"jobs/{uuid.uuid4()}", {"jobName": "x"}, media_type)
    assert response.status_code == expected
    if expected == 415:
        problem(response, 415, "media-type")
        assert "application/json" in response["Accept" if method == "PUT" else "Accept-Patch"]


def test_a_patch_of_the_wrong_type_is_told_the_right_one() -> None:
    assert "application/merge-patch+json" in Api().send("PATCH", JOB, "{}", "text/plain")["Accept-Patch"]
    assert "application/merge-patch+json" in Api().send("OPTIONS", JOB)["Accept-Patch"]


@override_settings(CHOREO_MAX_BODY_BYTES=2000)
def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() -> None:
    api = Api()
    fits = json.dumps({"jobName": "x", "jobDescription": "d"}).encode().ljust(2000)
    assert api.put(JOB, fits).status_code == 201
    problem(api.put(JOB, fits + b" "), 413, "body-too-large")
    problem(api.put(f"{JOB}/cancellation", fits + b" "), 413, "body-too-large")


class _Chunks(io.BytesIO):
    """A request's stream as a server gives it that has taken the chunks apart."""


@override_settings(CHOREO_MAX_BODY_BYTES=2000)
def test_a_chunked_body_is_read_and_bounded() -> None:
    def request(body: bytes, **environ: Any) -> Any:
        made = RequestFactory().generic("PUT", "/api/v1/", headers={"transfer-encoding": "chunked"})
        made.environ.update({"wsgi.input": _Chunks(body), "wsgi.input_terminated": True, **environ})
        made.META.pop("CONTENT_LENGTH", None)
        return made

    assert read_body(request(b"{}")) == b"{}"
    with pytest.raises(BodyTooLarge):
        read_body(request(b" " * 2001))
    with pytest.raises(LengthRequired):
        read_body(request(b"{}", **{"wsgi.input_terminated": False}))


@pytest.mark.parametrize("body", [[], "text", 5, None, True])
def test_a_body_that_is_no_object_is_invalid(body: Any) -> None:
    text = json.dumps(body)
    for path in (JOB, f"{JOB}/tasks/{uuid.uuid4()}", f"{JOB}/shared-state", f"{JOB}/error-reports/{uuid.uuid4()}"):
        assert pointers(Api().put(path, text)) == {""}
        if "error-reports" not in path:
            assert pointers(Api().send("PATCH", path, text)) == {""}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("jobName", 5),
        ("jobName", ""),
        ("jobName", "  "),
        ("jobName", "x" * 201),
        ("jobName", None),
        ("jobDescription", 5),
        ("jobMaxTTL", "5"),
        ("jobMaxTTL", True),
        ("jobMaxTTL", 1.5),
        ("jobMaxTTL", 0),
        ("jobMaxTTL", -1),
        ("jobMaxTTL", 31 * 86400 + 1),
        ("jobMaxTTL", 10**250),
        ("jobMaxTTL", [5]),
        ("jobStatus", "cancelling"),
        ("jobStatus", "WORKING"),
        ("jobStatus", 1),
        ("jobStatus", {}),
        ("jobOnTaskFailure", "ignore"),
        ("jobPlan", {}),
        ("jobPlan", "x"),
    ],
)
def test_a_job_member_that_does_not_fit_is_pointed_at(member: str, value: Any) -> None:
    assert pointers(Api().put(JOB, {"jobName": "checkout", member: value})) == {f"/{member}"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("attempts", 0),
        ("attempts", 21),
        ("attempts", "3"),
        ("timeout", -1),
        ("delay", 1.5),
        ("backoff", "linear"),
        ("undo", True),
        ("taskName", ""),
        ("taskName", None),
    ],
)
def test_a_step_of_a_plan_is_pointed_at(member: str, value: Any) -> None:
    plan = [{"taskName": "tax"}, {"taskName": "pay", member: value}]
    assert pointers(Api().put(JOB, {"jobName": "checkout", "jobPlan": plan})) == {f"/jobPlan/1/{member}"}
    api = Api()
    api.job(uuid.UUID(JOB.removeprefix("jobs/")))
    assert pointers(api.patch(JOB, {"jobPlan": plan})) == {f"/jobPlan/1/{member}"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("taskName", None),
        ("taskStatus", "reverting"),
        ("taskMaxTTL", "9"),
        ("taskCausedBy", "tax"),
        ("taskCausedBy", 5),
        ("taskCausedBy", "{6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10}"),
        ("taskStateChanged", "true"),
        ("taskStateChanged", 1),
        ("taskMessage", "x" * 501),
        ("taskURL", "ftp://tax.example/"),
        ("taskURL", "/relative"),
        ("taskURL", "http://user:secret@tax.example/"),
        ("taskURL", "http://tax.example:99999/"),
        ("taskCancelURL", "http://tax .example/"),
        ("taskCancelURL", "http://[::1"),
        ("taskRevertURL", "javascript:alert(1)"),
        ("taskRevertURL", "http://tax.example/" + "x" * 2000),
        ("taskRevertURL", 5),
    ],
)
def test_a_task_member_that_does_not_fit_is_pointed_at(member: str, value: Any) -> None:
    path = f"{JOB}/tasks/{uuid.uuid4()}"
    assert pointers(Api().put(path, {"taskName": "tax", member: value})) == {f"/{member}"}


@pytest.mark.parametrize(
    "url",
    [
        "http://tax:8080/revert/1?x=1#y",
        "https://tax.example",
        "http://10.0.0.7/",
        "http://[::1]:9000/x",
        "http://[2001:db8::1]/",
        "http://my_service/",
    ],
)
def test_urls_that_services_have_are_taken(url: str) -> None:
    api = Api()
    job = api.job()
    assert api.get(api.task(job, taskRevertURL=url)).json()["taskRevertURL"] == url


def test_all_faults_are_told_at_once() -> None:
    body = {"jobMaxTTL": "x", "jobStatus": 1, "jobPlan": [{}, 5]}
    wrong = {"/jobName", "/jobMaxTTL", "/jobStatus", "/jobPlan/0/taskName", "/jobPlan/1"}
    assert pointers(Api().put(JOB, body)) == wrong


def test_unknown_members_are_ignored_and_null_is_absent() -> None:
    api = Api()
    job = api.job(jobMaxTTL=None, jobPlan=None, jobStatus=None, colour="red", jobReason="maxTTL", jobID=5)
    body = api.get(job).json()
    assert body["jobMaxTTL"] == 300
    assert body["jobReason"] is None
    assert "colour" not in body
    whole = api.get(job).json()
    assert api.put(job, whole).status_code == 200  # what was read can be written back


def test_a_whole_number_may_be_written_with_a_point() -> None:
    api = Api()
    assert api.get(api.job(jobMaxTTL=60.0)).json()["jobMaxTTL"] == 60


def test_null_in_a_patch_goes_back_to_the_default() -> None:
    api = Api()
    job = api.job(jobDescription="long", jobMaxTTL=60)
    body = api.patch(job, {"jobDescription": None, "jobMaxTTL": None}).json()
    assert (body["jobDescription"], body["jobMaxTTL"]) == ("", 300)
    assert pointers(api.patch(job, {"jobName": None})) == {"/jobName"}


def test_a_browser_form_cannot_write() -> None:
    """A form of another site can only send what is 415 here, and only with a cookie, which does not write."""
    response = Client().post("/api/v1/jobs", {"jobName": "x"})
    problem(response, 405, "method-not-allowed")
