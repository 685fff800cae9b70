"""Writes down what came of a cancel or revert call: how it ended, when it is tried again, or that it is queued.

All of it or nothing, and only while the claim holds: an answer to a lost claim leaves a remark with its attempt.
"""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from jobs.domain.callbacks import Answer, AnswerKind, Enqueue, Past, Retry, Round, Settle, next_step
from jobs.domain.events import EventKind
from jobs.domain.states import CallStatus
from jobs.models import Call, CallAttempt
from jobs.services import history, locks, replay, undo

_rng = random.SystemRandom()


def record(
    call: Call, token: UUID, before: Round, attempt: CallAttempt, answer: Answer, took: timedelta, now: datetime
) -> None:
    """An attempt has come to its end: settle the call, put it into the replay queue, or say when it is tried again."""
    polled = attempt.method == "GET"
    fresh = Past(attempt.url, now, answer.kind, answer.status_code, answer.retry_after, polled)
    step = next_step(before, fresh, answer, poll_url=call.poll_url, now=now, rng=_rng.random)
    with transaction.atomic():
        match step:
            case Settle():
                held = _settle(call, token, step, now)
            case Enqueue():
                held = _enqueue(call, token, step, answer.detail, now)
            case Retry():
                held = _postpone(call, token, step, answer, attempt.started_at, now)
        attempt.duration_ms = int(took.total_seconds() * 1000)
        attempt.status_code = answer.status_code
        attempt.retry_after = answer.retry_after
        attempt.outcome = answer.kind if held else ""
        attempt.detail = answer.detail if held else f"Came too late: {answer.detail}"[:300]
        attempt.save(update_fields=["duration_ms", "status_code", "retry_after", "outcome", "detail"])
    if answer.kind is not AnswerKind.BLOCKED:
        replay.note_health(call.service_id, works=answer.kind.from_service, now=now)


def record_without_call(call: Call, token: UUID, step: Enqueue | Settle, now: datetime) -> None:
    """A claimed call that need not, or could not, be made."""
    if isinstance(step, Settle):
        undo.settle_call(call.pk, token, done=step.done, outcome=step.outcome, now=now)
        return
    with transaction.atomic():
        _enqueue(call, token, step, "No location is left to be tried.", now)


def _settle(call: Call, token: UUID, step: Settle, now: datetime) -> bool:
    held = undo.settle_call(call.pk, token, done=step.done, outcome=step.outcome, now=now)
    if held:  # a call that began again for late work has a new round, with no attempts in it
        ended = [CallStatus.DONE, CallStatus.FAILED]
        Call.objects.filter(pk=call.pk, status__in=ended).update(attempts_made=F("attempts_made") + 1)
    return held


def _postpone(call: Call, token: UUID, step: Retry, answer: Answer, began: datetime, now: datetime) -> bool:
    """Give the claim back with the time of the next attempt; False when it was lost. The job is locked first, as
    everywhere (see `locks`)."""
    job = locks.lock_job(call.job_id)
    at_work = answer.kind is AnswerKind.UNDER_WAY
    back: dict[str, Any] = {"status": CallStatus.PENDING, "next_at": step.at, "poll_url": step.poll_url}
    held = _give_back(call, token, attempts_made=F("attempts_made") + 1, **back)
    if held and at_work and not call.poll_url:  # what it keeps waiting has reason to wait a while longer
        holds = Call.objects.filter(pk=call.pk, holds_until__isnull=False)
        holds.update(holds_until=began + undo.HOLD_UNDER_WAY)
    if held and not (call.poll_url and at_work):  # the history tells that it is under way once, not at every look
        history.record(
            job,
            EventKind.CALL_ATTEMPT,
            actor=history.CHOREO,
            now=now,
            task=call.task,
            action=call.action,
            outcome=answer.kind,
            detail=answer.detail,
        )
    return held


def _enqueue(call: Call, token: UUID, step: Enqueue, reason: str, now: datetime) -> bool:
    """Into the replay queue, or back into it. What it kept waiting goes on meanwhile."""
    job = locks.lock_job(call.job_id)
    first = call.queued_at is None
    held = _give_back(
        call,
        token,
        status=CallStatus.QUEUED,
        next_at=step.at,
        poll_url="",
        attempts_made=0,
        queued_at=call.queued_at or now,
        give_up_at=step.until,
        queue_reason=reason,
        replays=0 if first else F("replays") + 1,
    )
    if not held:
        return False
    if first:
        history.record(
            job,
            EventKind.CALL_QUEUED,
            actor=history.CHOREO,
            now=now,
            task=call.task,
            action=call.action,
            detail=reason,
            until=step.until.isoformat(),
        )
    undo.stop_holding(job, Call.objects.filter(pk=call.pk), now)
    return True


def _give_back(call: Call, token: UUID, **values: Any) -> bool:
    """End a claim, if it still is this worker's."""
    claimed = Call.objects.filter(pk=call.pk, status=CallStatus.RUNNING, lease_token=token)
    return bool(claimed.update(slot=None, lease_until=None, lease_token=None, **values))
