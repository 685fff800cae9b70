"""Conditional requests (RFC 9110 §13) and the shared state, which is written with them."""

import uuid
from typing import Any

import pytest
from django.test import override_settings

from jobs.services.vocabulary import load_terms
from tests.jobs.api_client import Api, pointers, problem

pytestmark = pytest.mark.django_db


def _tagged(api: Api) -> list[str]:
    """Paths of everything that has a tag."""
    job = api.job()
    task, report = api.task(job), f"{job}/error-reports/{uuid.uuid4()}"
    api.put(report, {"title": "x"})
    place = f"services/cart/locations/{uuid.uuid4()}"
    api.put(place, {"url": "http://cart/", "leaseSeconds": 60})
    api.put("vocabulary/updatedPrice", {})
    lists = [f"{job}/tasks", f"{job}/error-reports", "services/cart/locations", "vocabulary", "vocabulary/updatedPrice"]
    parts = [f"{job}/shared-state", f"{job}/progress", f"{job}/budget"]
    return [job, task, report, place, *lists, *parts, "openapi.json"]


def test_everything_that_has_a_tag_answers_304_and_412() -> None:
    api = Api("cart", "vocabulary")
    for path in _tagged(api):
        full = api.get(path)
        tag = full["ETag"]
        assert tag.startswith('"')
        for value in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b" , W/{tag}, "y"', "*"):
            for method in ("GET", "HEAD"):
                same = api.send(method, path, if_none_match=value)
                assert (same.status_code, same.content) == (304, b"")
                assert {n: same[n] for n in ("ETag", "Cache-Control", "Vary")} == {
                    n: full[n] for n in ("ETag", "Cache-Control", "Vary")
                }
                assert "Date" in same
                assert "Content-Type" not in same
                assert "Content-Length" not in same
        for value in ('"x"', '"x", W/"y"', tag.strip('"').join(['"X', '"'])):
            assert api.get(path, if_none_match=value).status_code == 200
        assert api.get(path, if_match=f'"x", {tag}').status_code == 200
        assert api.get(path, if_match="*").status_code == 200
        for value in ('"x"', f"W/{tag}"):
            assert problem(api.get(path, if_match=value), 412, "precondition-failed")
        for value in ("", "j1", '"a', '"a" "b"', ","):
            problem(api.get(path, if_none_match=value), 400, "malformed")


def test_writes_honour_if_match_and_if_none_match() -> None:
    api = Api()
    job = f"jobs/{uuid.uuid4()}"
    body = {"jobName": "x"}
    problem(api.put(job, body, if_match="*"), 412, "precondition-failed")
    assert api.put(job, body, if_none_match="*").status_code == 201
    stale = problem(api.put(job, body, if_none_match="*"), 412, "precondition-failed")
    assert "jobName" not in stale
    tag = api.get(job)["ETag"]
    assert api.put(job, {"jobName": "y"}, if_match=f'"x", {tag}').status_code == 200
    answer = api.patch(job, {"jobName": "z"}, if_match=tag)
    problem(answer, 412, "precondition-failed")
    assert answer["ETag"] == api.get(job)["ETag"] != tag
    problem(api.patch(job, {"jobName": "z"}, if_match=f"W/{answer['ETag']}"), 412, "precondition-failed")
    assert api.get(job).json()["jobName"] == "y"
    problem(api.put(job, body, if_none_match=tag), 400, "malformed")


def test_validation_and_permission_come_before_the_precondition() -> None:
    api = Api()
    job = api.job()
    assert pointers(api.put(job, {}, if_match='"no"')) == {"/jobName"}
    problem(Api(None).put(job, {}, if_match='"no"'), 401, "unauthorized")
    problem(Api("tax").put(job, {"jobName": "x"}, if_match='"no"'), 403, "forbidden")


def test_a_location_and_a_term_honour_them_too() -> None:
    api = Api("cart", "vocabulary")
    place = f"services/cart/locations/{uuid.uuid4()}"
    body = {"url": "http://cart/", "leaseSeconds": 60}
    assert api.put(place, body, if_none_match="*").status_code == 201
    problem(api.put(place, body, if_none_match="*"), 412, "precondition-failed")
    problem(api.send("DELETE", place, if_match='"x"'), 412, "precondition-failed")
    assert api.send("DELETE", place, if_match=api.get(place)["ETag"]).status_code == 204
    assert api.put("vocabulary/price", {}, if_none_match="*").status_code == 201
    problem(api.put("vocabulary/price", {}, if_none_match="*"), 412, "precondition-failed")


@pytest.fixture
def vocabulary() -> None:
    load_terms({"terms": [{"property": "updatedPrice", "schema": {"type": "number"}}, {"property": "items"}]})


@pytest.mark.usefixtures("vocabulary")
def test_the_shared_state_is_read_changed_and_written() -> None:
    api = Api()
    path = f"{api.job()}/shared-state"
    first = api.get(path)
    assert (first.content, first.status_code) == (b"{}", 200)
    text = b'{ "updatedPrice" : 41.90,\n "items":["caf\xc3\xa9", "\\u00e9", 1E2] }'
    put = api.put(path, text, if_match=first["ETag"])
    assert (put.status_code, put.content) == (200, text)
    got = api.get(path)
    assert (got["ETag"], got.content, got["Content-Type"]) == (put["ETag"], text, "application/json")
    assert put["ETag"] != first["ETag"]
    stale = api.put(path, b"{}", if_match=first["ETag"])
    problem(stale, 412, "precondition-failed")
    assert stale["ETag"] == put["ETag"]
    patched = api.patch(path, {"items": None}, if_match=put["ETag"])
    assert (patched.status_code, patched.json()) == (200, {"updatedPrice": 41.9})
    assert api.get(path)["ETag"] == patched["ETag"]
    assert api.put(path, patched.content, if_match="*").headers["ETag"] == patched["ETag"]


@pytest.mark.usefixtures("vocabulary")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_shared_state_is_not_written_blindly(method: str) -> None:
    api = Api()
    path = f"{api.job()}/shared-state"
    body = problem(api.send(method, path, {}), 428, "precondition-required")
    assert "If-Match" in body["detail"]


@pytest.mark.usefixtures("vocabulary")
def test_a_shared_state_speaks_the_vocabulary() -> None:
    api = Api()
    path = f"{api.job()}/shared-state"
    body: dict[str, Any] = {"updatedPrice": "1", "a/b~c": 1}
    assert pointers(api.put(path, body, if_match="*")) == {"/updatedPrice", "/a~1b~0c"}
    assert pointers(api.patch(path, body, if_match="*")) == {"/updatedPrice", "/a~1b~0c"}
    with override_settings(CHOREO_VOCABULARY="open"):
        assert api.put(path, {"anything": 1}, if_match="*").status_code == 200
    done = f"{api.job(jobStatus='completed')}/shared-state"
    problem(api.put(done, {"updatedPrice": 1}, if_match="*"), 409, "job-terminal")
    problem(Api("tax").put(path, {}, if_match="*"), 403, "forbidden")
