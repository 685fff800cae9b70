"""The API client against a fake Choreo; it never sleeps, as the waits are recorded instead."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from choreo_client import (
    Choreo,
    ChoreoError,
    Correlation,
    Problem,
    Unreachable,
    UnreadableAnswer,
    correlated,
    merge_patch,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_choreo import FakeChoreo, answer, no_answer

JOB = "0b4b2a8e-2f5c-4f0e-9c65-0d1c0f0a0001"
TASK = "0b4b2a8e-2f5c-4f0e-9c65-0d1c0f0a0002"
JSON = {"jobName": "checkout", "jobStatus": "working"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)
json_objects = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def choreo(fake: FakeChoreo, slept: list[float]) -> Choreo:
    return Choreo(fake.url, "secret", transport=fake.transport(), sleep=slept.append, rng=lambda: 0.5)


CALLS: dict[str, Callable[[Choreo], object]] = {
    "put_job": lambda c: c.put_job(JOB, JSON),
    "put_task": lambda c: c.put_task(JOB, TASK, {"taskName": "t"}),
    "read_shared_state": lambda c: c.read_shared_state(JOB),
    "put_shared_state": lambda c: c.put_shared_state(JOB, {}, '"s1"'),
    "progress": lambda c: c.progress(JOB),
    "cancel_job": lambda c: c.cancel_job(JOB),
    "put_error_report": lambda c: c.put_error_report(JOB, TASK, {"title": "x"}),
    "put_location": lambda c: c.put_location("cart", TASK, "http://cart.test"),
    "delete_location": lambda c: c.delete_location("cart", TASK),
}
PATCHES: dict[str, Callable[[Choreo], object]] = {
    "patch_job": lambda c: c.patch_job(JOB, {"jobStatus": "completed"}),
    "patch_task": lambda c: c.patch_task(JOB, TASK, {"taskStatus": "completed"}),
    "patch_shared_state": lambda c: c.patch_shared_state(JOB, {"p": 1}, '"s1"'),
}


@pytest.mark.parametrize("name", CALLS)
def test_idempotent_calls_survive_two_transient_failures(
    choreo: Choreo, fake: FakeChoreo, slept: list[float], name: str
) -> None:
    choreo.put_job(JOB, JSON)
    fake.script = [answer(503), no_answer]
    CALLS[name](choreo)
    assert slept == [0.75, 1.5]
    assert len({(s.method, s.path, str(s.body)) for s in fake.seen[1:]}) == 1


@pytest.mark.parametrize("name", CALLS)
def test_the_third_failure_is_the_last(choreo: Choreo, fake: FakeChoreo, slept: list[float], name: str) -> None:
    fake.script = [no_answer] * 9
    with pytest.raises(Unreachable):
        CALLS[name](choreo)
    assert (len(fake.seen), slept) == (3, [0.75, 1.5])


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("failure", [answer(503), no_answer])
def test_a_patch_is_never_repeated(choreo: Choreo, fake: FakeChoreo, name: str, failure: Any) -> None:
    fake.script = [failure] * 9
    with pytest.raises(ChoreoError):
        PATCHES[name](choreo)
    assert len(fake.seen) == 1
    assert fake.seen[0].headers["content-type"] == "application/merge-patch+json"


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 412, 422, 428])
def test_a_refusal_is_final(choreo: Choreo, fake: FakeChoreo, status: int) -> None:
    fake.script = [answer(status)] * 9
    with pytest.raises(Problem) as refusal:
        choreo.put_job(JOB, JSON)
    assert (refusal.value.status, len(fake.seen)) == (status, 1)


def test_retry_after_is_honoured_within_its_bound(choreo: Choreo, fake: FakeChoreo, slept: list[float]) -> None:
    fake.script = [answer(429, retry_after="7"), answer(503, retry_after="3600")]
    with pytest.raises(Problem) as refusal:
        choreo.put_job(JOB, JSON)
    assert slept == [7.0]
    assert refusal.value.retry_after == 3600.0


def test_once_leaves_out_the_retries_of_its_twin_alone(choreo: Choreo, fake: FakeChoreo) -> None:
    fake.script = [no_answer]
    with pytest.raises(Unreachable):
        choreo.once().put_job(JOB, JSON)
    fake.script = [no_answer]
    assert choreo.put_job(JOB, JSON)["jobID"] == JOB


def test_every_request_says_who_asks_and_about_what(choreo: Choreo, fake: FakeChoreo) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with correlated(Correlation(JOB, TASK, trace)):
        choreo.put_job(JOB, JSON)
    choreo.put_task(JOB, TASK, {"taskName": "t"})
    with correlated(Correlation("another job", "its task")):
        choreo.read_shared_state(JOB)
    job, task, state = (s.headers for s in fake.seen)
    assert {h["authorization"] for h in (job, task, state)} == {"Bearer secret"}
    assert {h["correlation-id"] for h in (job, task, state)} == {JOB}
    assert (job["request-id"], job["traceparent"]) == (TASK, trace)
    assert task["request-id"] == TASK
    assert "request-id" not in state


def test_a_problem_tells_its_members_and_code() -> None:
    members = {"type": "https://c.test/problems/job-cancelled", "title": "Late", "jobStatus": "cancelled"}
    problem = Problem(409, members)
    assert (problem.code, problem.status, problem.members["jobStatus"]) == ("job-cancelled", 409, "cancelled")


@pytest.mark.parametrize("kind", [None, "", "about:blank", 7, "https://c.test/"])
def test_a_problem_without_a_code_has_an_empty_one(kind: object) -> None:
    assert Problem(400, {"type": kind}).code == ""


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_odd_bodies_are_reported_as_choreo_errors(body: bytes) -> None:
    def reply(status: int) -> Choreo:
        return Choreo(
            "http://c.test", "t", transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body))
        )

    with pytest.raises(Problem) as refusal:
        reply(404).put_job(JOB, JSON)
    assert refusal.value.members == {}
    with pytest.raises(UnreadableAnswer):
        reply(200).put_job(JOB, JSON)


def test_progress_is_sent_again_only_when_it_changed(choreo: Choreo) -> None:
    choreo.put_job(JOB, JSON)
    first = choreo.progress(JOB)
    assert first.value is not None
    assert choreo.progress(JOB, first.etag) == (None, first.etag)
    choreo.patch_job(JOB, {"jobStatus": "completed"})
    assert choreo.progress(JOB, first.etag).value is not None


def test_shared_state_is_written_with_its_tag(choreo: Choreo, fake: FakeChoreo) -> None:
    choreo.put_job(JOB, JSON)
    _, tag = choreo.read_shared_state(JOB)
    second = choreo.put_shared_state(JOB, {"currentPrice": 1}, tag)
    assert choreo.patch_shared_state(JOB, {"updatedPrice": 2}, second) not in (tag, second)
    with pytest.raises(Problem) as stale:
        choreo.put_shared_state(JOB, {}, tag)
    assert stale.value.status == 412
    assert fake.state(JOB) == {"currentPrice": 1, "updatedPrice": 2}


@pytest.mark.parametrize("rivals", [1, 7])
def test_an_overtaken_update_starts_again_from_what_is_there(choreo: Choreo, fake: FakeChoreo, rivals: int) -> None:
    choreo.put_job(JOB, JSON)
    left = list(range(rivals))

    def change(value: dict[str, Any]) -> dict[str, Any]:
        if left:  # a rival writes between our read and our write
            value, version = fake.states[JOB]
            fake.states[JOB] = ({**value, f"rival{left.pop()}": 1}, version + 1)
        return {**value, "mine": 1}

    value, tag = choreo.update_shared_state(JOB, change)
    assert set(fake.state(JOB)) == {"mine", *(f"rival{n}" for n in range(rivals))}
    assert (value, tag) == choreo.read_shared_state(JOB)


def test_an_update_that_is_always_overtaken_ends(choreo: Choreo, fake: FakeChoreo) -> None:
    choreo.put_job(JOB, JSON)
    fake.script = [lambda _: None, answer(412)] * 3
    with pytest.raises(Problem) as stale:
        choreo.update_shared_state(JOB, {"mine": 1}, tries=3)
    assert stale.value.status == 412
    assert not fake.script


def test_an_update_that_changes_nothing_writes_nothing(choreo: Choreo, fake: FakeChoreo) -> None:
    choreo.put_job(JOB, JSON)
    choreo.update_shared_state(JOB, {"mine": 1})
    count = len(fake.seen)
    choreo.update_shared_state(JOB, {"mine": 1})
    assert [s.method for s in fake.seen[count:]] == ["GET"]


@given(json_objects, json_objects)
def test_a_merge_patch_is_idempotent_and_leaves_its_arguments(target: Any, patch: Any) -> None:
    before = repr((target, patch))
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert repr((target, patch)) == before


@pytest.mark.parametrize(
    ("target", "patch", "result"),  # examples of RFC 7396, appendix A
    [
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_rfc_7396(target: object, patch: object, result: object) -> None:
    assert merge_patch(target, patch) == result
