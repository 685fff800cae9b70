"""Workers that die in the middle of a call, and answers that come when nobody waits for them any more."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import CallStatus, JobStatus
from jobs.models import Call
from jobs.services import locks, outbound
from jobs.services.calls import LEASE
from jobs.services.task_reports import write_task
from tests.jobs.calls_peer import status
from tests.jobs.calls_scene import Scene, outcomes, running_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_scene() as running:
        yield running


class Died(BaseException):
    """What ends a worker in the middle of a call."""


def test_a_worker_that_dies_leaves_a_trace_and_its_call_is_made_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = scene.undo(status(200))
    send = outbound.send

    def die(*args: Any, **kwargs: Any) -> Answer:
        send(*args, **kwargs)
        raise Died

    monkeypatch.setattr(outbound, "send", die)
    with pytest.raises(Died):
        scene.run()
    monkeypatch.setattr(outbound, "send", send)
    call.refresh_from_db()
    assert (call.status, call.attempts_made) == (CallStatus.RUNNING, 0)
    scene.clock.on(seconds=LEASE.total_seconds() - 0.001)
    assert scene.run() == 0
    scene.clock.on(seconds=0.001)
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.attempts_made) == (CallStatus.DONE, 1)
    assert outcomes(call) == [(None, ""), (200, "done")]
    assert len({request.headers["idempotency-key"] for request in scene.peer.requests}) == 1


def test_interrupted_attempts_do_not_count_against_the_cap(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    call = scene.undo(status(500))
    send = outbound.send
    deaths = iter([False, True, True, False, True, True, True, False])

    def maybe(*args: Any, **kwargs: Any) -> Answer:
        if next(deaths):
            raise Died
        return send(*args, **kwargs)

    monkeypatch.setattr(outbound, "send", maybe)
    for _ in range(8):
        try:
            scene.run(limit=1)
        except Died:
            scene.clock.now += LEASE
        call.refresh_from_db()
        scene.clock.now = max(scene.clock.now, call.next_at)
    assert call.status == CallStatus.QUEUED
    assert len(scene.peer.requests) == 3
    assert call.attempts.count() == 8


def overtaken(scene: Scene, monkeypatch: pytest.MonkeyPatch, late: AnswerKind, meanwhile: Any) -> None:
    """Run one worker whose answer comes only after `meanwhile` was done to its call."""
    send, first = outbound.send, iter([True])

    def slow(*args: Any, **kwargs: Any) -> Answer:
        if not next(first, False):
            return send(*args, **kwargs)
        meanwhile()
        return Answer(late, detail="late", status_code=200)

    monkeypatch.setattr(outbound, "send", slow)
    scene.run(limit=1)


@pytest.mark.parametrize("late", [AnswerKind.DONE, AnswerKind.REFUSED, AnswerKind.TRANSIENT, AnswerKind.UNDER_WAY])
def test_an_answer_to_a_lost_claim_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, late: AnswerKind
) -> None:
    call = scene.undo(status(503))

    def another_worker() -> None:
        scene.clock.now += LEASE
        assert scene.run(limit=1) == 1

    overtaken(scene, monkeypatch, late, another_worker)
    call.refresh_from_db()
    assert (call.status, call.attempts_made) == (CallStatus.PENDING, 1)
    assert call.next_at > scene.clock.now
    first, second = call.attempts.all()
    assert (first.outcome, first.detail) == ("", "Came too late: late")
    assert (second.status_code, second.outcome) == (503, "transient")
    assert scene.job.status == JobStatus.CANCELLING


@pytest.mark.parametrize("late", [AnswerKind.DONE, AnswerKind.REFUSED, AnswerKind.TRANSIENT])
def test_an_answer_to_a_lost_claim_leaves_the_next_ones_claim_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, late: AnswerKind
) -> None:
    """The other worker is still waiting for its answer."""
    call = scene.undo(status(503))
    theirs: list[Call | None] = []

    def another_worker() -> None:
        scene.clock.now += LEASE
        theirs.append(locks.claim_call(scene.clock(), LEASE))

    overtaken(scene, monkeypatch, late, another_worker)
    call.refresh_from_db()
    assert theirs == [call]
    assert (call.status, call.attempts_made) == (CallStatus.RUNNING, 0)
    assert theirs[0] is not None
    assert (call.lease_token, call.lease_until) == (theirs[0].lease_token, scene.clock.now + LEASE)


def test_a_service_that_reports_its_revert_needs_no_further_call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    call = scene.undo(status(503))

    def report() -> None:
        write_task(
            scene.job_id,
            call.task.task_id,
            scene.service,
            {"status": "reverted"},
            create=False,
            traceparent="",
            precondition=NO_PRECONDITION,
            now=scene.clock(),
        )

    overtaken(scene, monkeypatch, AnswerKind.TRANSIENT, report)
    call.refresh_from_db()
    assert call.status == CallStatus.DONE
    scene.clock.on(minutes=10)
    assert scene.run() == 0
    assert scene.job.status == JobStatus.CANCELLED
    assert scene.peer.requests == []
