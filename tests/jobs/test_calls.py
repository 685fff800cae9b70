"""Cancel and revert calls, from the row that is due to the task that is undone, against a real server."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook

from jobs.domain.callbacks import Answer, Outcome
from jobs.domain.events import EventKind
from jobs.domain.states import CallAction, CallStatus, JobStatus, TaskStatus
from jobs.models import Call, CallAttempt, JobEvent, Task
from jobs.services import calls, outbound
from jobs.services.calls import LEASE
from jobs.services.job_reports import retry_reverts
from tests.jobs.calls_peer import Behaviour, hang, reset, running_peer, status
from tests.jobs.calls_scene import Scene, outcomes, running_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_scene() as running:
        yield running


def test_nothing_is_due_at_first(scene: Scene) -> None:
    scene.task(revert_url=scene.peer.plays(status(200)))
    assert scene.run() == 0
    assert scene.peer.requests == []


@pytest.mark.parametrize(
    ("behaviour", "done", "outcome", "job_status"),
    [
        (status(200), True, Outcome.DONE, JobStatus.CANCELLED),
        (status(204), True, Outcome.DONE, JobStatus.CANCELLED),
        (status(404), True, Outcome.NOTHING_TO_UNDO, JobStatus.CANCELLED),
        (status(410), True, Outcome.NOTHING_TO_UNDO, JobStatus.CANCELLED),
        (status(409), False, Outcome.REFUSED, JobStatus.REVERT_FAILED),
        (status(400), False, Outcome.REFUSED, JobStatus.REVERT_FAILED),
        (status(301, location="/elsewhere"), False, Outcome.REFUSED, JobStatus.REVERT_FAILED),
    ],
)
def test_answers_that_settle_at_once(
    scene: Scene, behaviour: Behaviour, done: bool, outcome: Outcome, job_status: JobStatus
) -> None:
    call = scene.undo(behaviour)
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.outcome) == (CallStatus.DONE if done else CallStatus.FAILED, outcome)
    assert (call.lease_token, call.lease_until, call.attempts_made) == (None, None, 1)
    assert call.task.status == (TaskStatus.REVERTED if done else TaskStatus.REVERT_FAILED)
    assert scene.job.status == job_status
    assert len(scene.peer.requests) == 1
    attempt = call.attempts.get()
    assert attempt.outcome
    assert attempt.detail
    assert attempt.duration_ms is not None
    assert scene.run() == 0


@pytest.mark.parametrize("behaviour", [status(500), status(503), status(429), status(408), status(425), reset])
def test_three_attempts_then_the_replay_queue_and_at_its_end_a_human(
    scene: Scene, settings: Settings, behaviour: Behaviour
) -> None:
    settings.CHOREO_REPLAY_WINDOW = 100
    call = scene.undo(behaviour)
    began = scene.clock.now
    scene.run_until_queued(call)
    queued = scene.clock.now
    assert timedelta(seconds=1.5) <= queued - began <= timedelta(seconds=3)
    assert len(scene.peer.requests) == 3
    assert (call.queued_at, call.give_up_at) == (queued, queued + timedelta(seconds=100))
    assert call.queue_reason == call.attempts.last().detail  # type: ignore[union-attr]  # it has some
    assert scene.job.status == JobStatus.CANCELLING
    scene.run_until_settled(call)
    assert (call.status, call.outcome) == (CallStatus.FAILED, Outcome.GAVE_UP)
    assert scene.clock.now == queued + timedelta(seconds=100)
    assert scene.job.status == JobStatus.REVERT_FAILED
    assert JobEvent.objects.filter(job=scene.job, cause="revertFailed").count() == 1
    assert JobEvent.objects.filter(job=scene.job, kind=EventKind.CALL_QUEUED).count() == 1


def test_retries_are_one_request_to_the_service(scene: Scene) -> None:
    call = scene.run_until_settled(scene.undo(status(500), status(503), status(200)))
    assert call.outcome == Outcome.DONE
    first, *others = scene.peer.requests
    for request in others:
        assert request.body == first.body
        for header in ("idempotency-key", "webhook-id", "correlation-id", "request-id"):
            assert request.headers[header] == first.headers[header]
    for request in scene.peer.requests:
        Webhook(scene.service.webhook_secret).verify(request.body, request.headers)
    assert outcomes(call) == [(500, "transient"), (503, "transient"), (200, "done")]
    attempted = JobEvent.objects.filter(job=scene.job, kind=EventKind.CALL_ATTEMPT)
    assert [event.data["detail"] for event in attempted] == ["500 Internal Server Error", "503 Service Unavailable"]


def test_nothing_is_done_before_its_time(scene: Scene) -> None:
    call = scene.undo(status(503, retry_after="7"), status(200))
    assert scene.run() == 1
    scene.clock.on(seconds=6.9)
    assert scene.run() == 0
    scene.clock.on(seconds=0.1)
    assert scene.run() == 1
    call.refresh_from_db()
    assert call.outcome == Outcome.DONE


def test_a_service_cannot_ask_for_patience_without_end(scene: Scene) -> None:
    call = scene.run_until_queued(scene.undo(status(503, retry_after="31536000")))
    assert len(scene.peer.requests) == 1
    assert call.next_at == call.give_up_at == scene.clock.now + timedelta(days=1)


def test_the_static_fallback_has_its_three_attempts_too(scene: Scene) -> None:
    with running_peer() as spare:
        scene.service.fallback_url = f"http://127.0.0.1:{spare.port}"
        scene.service.save()
        spare.plays(status(500), status(502), status(200))
        call = scene.run_until_settled(scene.undo(status(500)))
        assert (call.status, call.attempts_made) == (CallStatus.DONE, 6)
        assert [request.path for request in spare.requests] == ["/undo"] * 3
        keys = {request.headers["idempotency-key"] for request in [*scene.peer.requests, *spare.requests]}
        assert keys == {str(call.idempotency_key)}
        assert len(scene.peer.requests) == 3


def test_a_refusal_is_final_even_with_a_fallback(scene: Scene) -> None:
    scene.service.fallback_url = scene.peer.plays(status(200), path="/spare")
    scene.service.save()
    call = scene.run_until_settled(scene.undo(status(409)))
    assert (call.outcome, call.attempts_made) == (Outcome.REFUSED, 1)


def test_a_forbidden_address_is_never_called_and_calls_a_human(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = False
    call = scene.undo(status(200))
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.outcome) == (CallStatus.FAILED, Outcome.BLOCKED)
    assert scene.peer.connections == []
    assert scene.job.status == JobStatus.REVERT_FAILED


def test_a_forbidden_address_leaves_the_fallback_its_turn(scene: Scene) -> None:
    scene.service.fallback_url = scene.peer.plays(status(200), path="/spare")
    scene.service.save()
    scene.task(revert_url="ftp://127.0.0.1/undo")
    scene.cancel()
    assert scene.run() == 2
    assert [request.path for request in scene.peer.requests] == ["/spare"]
    assert scene.job.status == JobStatus.CANCELLED


def test_a_fallback_that_is_taken_away_meanwhile_is_not_waited_for(scene: Scene) -> None:
    scene.service.fallback_url = scene.peer.plays(status(500), path="/spare")
    scene.service.save()
    call = scene.undo(status(500))
    for _ in range(4):
        call.refresh_from_db()
        scene.clock.now = max(scene.clock.now, call.next_at)
        scene.run(limit=1)
    scene.service.fallback_url = ""
    scene.service.save()
    made = len(scene.peer.requests)
    call = scene.run_until_queued(call)
    assert call.queue_reason == "No location is left to be tried."
    assert len(scene.peer.requests) == made


def test_under_way_is_polled_where_the_service_says(scene: Scene) -> None:
    scene.peer.plays(status(202), status(503), status(202), status(200), path="/outcome")
    call = scene.run_until_settled(scene.undo(status(202, location="outcome")))
    assert (call.status, call.outcome) == (CallStatus.DONE, Outcome.DONE)
    assert [(r.method, r.path) for r in scene.peer.requests] == [("PUT", "/undo")] + [("GET", "/outcome")] * 4
    assert JobEvent.objects.filter(job=scene.job, kind=EventKind.CALL_ATTEMPT).count() == 2  # the 202, and the 503


def test_under_way_without_a_place_repeats_the_put(scene: Scene) -> None:
    call = scene.run_until_settled(scene.undo(status(202), status(202), status(204)))
    assert call.outcome == Outcome.DONE
    assert [request.method for request in scene.peer.requests] == ["PUT"] * 3


def test_under_way_does_not_count_against_the_cap(scene: Scene) -> None:
    behaviours = [status(500), status(202), status(500), status(202), status(500), status(202), status(200)]
    assert scene.run_until_settled(scene.undo(*behaviours)).outcome == Outcome.DONE


def test_under_way_for_ever_ends_with_the_window(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_REPLAY_WINDOW = 60
    began = scene.clock.now
    call = scene.run_until_settled(scene.undo(status(202)))
    assert (call.status, call.outcome) == (CallStatus.FAILED, Outcome.STILL_UNDER_WAY)
    assert scene.clock.now - began == timedelta(seconds=60)
    assert 5 < call.attempts_made < 20


def test_a_poll_that_is_gone_puts_again(scene: Scene) -> None:
    call = scene.run_until_settled(scene.undo(status(202, location="/lost"), status(404)))
    assert call.outcome == Outcome.NOTHING_TO_UNDO
    assert [(r.method, r.path) for r in scene.peer.requests] == [("PUT", "/undo"), ("GET", "/lost"), ("PUT", "/undo")]


def test_the_place_of_the_outcome_goes_through_the_guard(scene: Scene) -> None:
    place = "http://user:secret@127.0.0.1/"
    call = scene.run_until_settled(scene.undo(status(202, location=place), status(204)))
    assert (call.status, call.outcome) == (CallStatus.DONE, Outcome.DONE)
    assert outcomes(call) == [(202, "under-way"), (None, "blocked"), (204, "done")]
    assert [request.method for request in scene.peer.requests] == ["PUT", "PUT"]


def test_cancel_comes_first_and_then_the_revert(scene: Scene) -> None:
    scene.task(
        "working",
        cancel_url=scene.peer.plays(status(200), path="/cancel"),
        revert_url=scene.peer.plays(status(200), path="/revert"),
    )
    scene.cancel()
    assert scene.run() == 2
    assert [request.path for request in scene.peer.requests] == ["/cancel", "/revert"]
    assert b'"action": "cancel"' in scene.peer.requests[0].body
    keys = [request.headers["idempotency-key"] for request in scene.peer.requests]
    assert keys[0] != keys[1]
    assert scene.job.status == JobStatus.CANCELLED


def test_an_operators_retry_is_a_round_of_its_own(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_REPLAY_WINDOW = 1
    call = scene.run_until_settled(scene.undo(status(500)))
    assert call.outcome == Outcome.GAVE_UP
    made = call.attempts.count()
    scene.clock.on(days=3)
    scene.peer.plays(status(500), status(500), status(200))
    retry_reverts(scene.job_id, "ann", now=scene.clock())
    call = scene.run_until_settled(call)
    assert (call.status, call.outcome, call.queued_at) == (CallStatus.DONE, Outcome.DONE, None)
    assert (call.attempts_made, call.attempts.count()) == (3, made + 3)


def test_a_new_round_has_a_new_window(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_REPLAY_WINDOW = 10
    call = scene.run_until_settled(scene.undo(status(202)))
    assert call.outcome == Outcome.STILL_UNDER_WAY
    scene.clock.on(days=1)
    scene.peer.plays(status(202), status(200))
    retry_reverts(scene.job_id, "ann", now=scene.clock())
    assert scene.run_until_settled(call).outcome == Outcome.DONE


@pytest.mark.parametrize(
    ("task_status", "call_status"),
    [(TaskStatus.REVERTED, CallStatus.DONE), (TaskStatus.REVERT_FAILED, CallStatus.FAILED)],
)
def test_a_call_whose_task_is_settled_is_settled_without_a_call(
    scene: Scene, task_status: TaskStatus, call_status: CallStatus
) -> None:
    call = scene.undo(status(200))
    Task.objects.filter(pk=call.task_id).update(status=task_status)
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.outcome) == (call_status, Outcome.NEEDLESS)
    assert scene.peer.requests == []
    assert not call.attempts.exists()


def test_a_call_without_a_url_calls_a_human(scene: Scene) -> None:
    call = scene.undo(status(200))
    Task.objects.filter(pk=call.task_id).update(revert_url="")
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.outcome) == (CallStatus.FAILED, Outcome.NO_URL)


def test_a_fault_of_our_own_is_an_attempt_and_not_an_endless_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = scene.undo(status(200))

    def fail(*args: Any, **kwargs: Any) -> Answer:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(outbound, "send", fail)
    scene.run_until_queued(call, most=4)
    assert call.attempts.count() == 3
    assert not CallAttempt.objects.filter(detail__contains="secret").exists()


def test_later_tasks_are_reverted_first_and_the_limit_holds(scene: Scene) -> None:
    for name in ("/a", "/b", "/c"):
        scene.clock.on(seconds=1)
        scene.task(name=name, revert_url=scene.peer.plays(status(200), path=name))
    scene.cancel()
    assert Call.objects.count() == 1  # reverse start order: only the last one for now
    assert scene.run(limit=2) == 2
    assert [request.path for request in scene.peer.requests] == ["/c", "/b"]
    assert scene.run(seconds=0) == 0
    assert scene.run() == 1


def test_a_service_that_hangs_costs_its_turn_and_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    send = outbound.send
    monkeypatch.setattr(outbound, "send", lambda *a, **k: send(*a, **k, seconds=0.2))
    call = scene.undo(hang)
    assert scene.run() == 1
    call.refresh_from_db()
    assert (call.status, call.attempts_made) == (CallStatus.PENDING, 1)
    assert call.attempts.get().detail == "No complete answer within 0.2 s."


def test_the_lease_outlasts_any_call() -> None:
    assert LEASE.total_seconds() >= 2 * outbound.TOTAL_SECONDS


def test_every_action_has_a_state_that_it_waits_in() -> None:
    assert set(calls._WAITS_FOR) == set(CallAction)
