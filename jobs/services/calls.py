"""Makes the cancel and revert calls that are due: claims one, commits, calls, records what came of it.

A worker that dies in between loses nothing: its claim runs out, and the call is made again under the same
idempotency key. What an answer leads to is decided in `jobs.domain.callbacks`.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from jobs.domain.callbacks import (
    Answer,
    AnswerKind,
    Outcome,
    Retry,
    Settle,
    Standing,
    fallback_location,
    next_step,
    standing,
)
from jobs.domain.events import EventKind
from jobs.domain.states import CallAction, CallStatus, TaskStatus
from jobs.models import Call, CallAttempt
from jobs.services import history, locks, outbound, undo

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""How long a claim holds: three times what a call may take, so that only a dead worker's runs out."""

_WAITS_FOR = {CallAction.CANCEL: TaskStatus.CANCELLING, CallAction.REVERT: TaskStatus.REVERTING}
_rng = random.SystemRandom()


@dataclass(frozen=True)
class Round:
    """The attempts since the call last fell due: when the first began (None if there was none), and where they led."""

    started_at: datetime | None
    standing: Standing


@dataclass(frozen=True)
class Claim:
    """A call that is this worker's own until its lease runs out: either to be made, or `settled` without a call."""

    call: Call
    token: UUID
    locations: tuple[str, ...]
    round: Round
    attempt: CallAttempt | None = None
    settled: Settle | None = None


def run_due(now_fn: Callable[[], datetime], *, seconds: float = 10.0, limit: int = 100) -> int:
    """Make the calls that are due, one at a time, until none is left, `limit` were made or `seconds` are over.

    Any number of workers may do so at once: each call goes to one of them, and one that hangs holds up only its own
    worker, for at most 10 s. Returns how many calls were attempted or settled.
    """
    end = time.monotonic() + seconds
    made = 0
    while made < limit and time.monotonic() < end and _make_one(now_fn):
        made += 1
    return made


def _make_one(now_fn: Callable[[], datetime]) -> bool:
    """Claim, call and record one call; False when none is due."""
    claim = _claim(now_fn())
    if claim is None:
        return False
    if claim.attempt is None:
        _settle_uncalled(claim, now_fn())
        return True
    began = time.monotonic()
    answer = _send(claim.call, claim.attempt)
    _record(claim, claim.attempt, answer, timedelta(seconds=time.monotonic() - began), now_fn())
    return True


def _claim(now: datetime) -> Claim | None:
    """Take one due call and leave the trace of the attempt that is about to be made, in a transaction of its own."""
    with transaction.atomic():
        call = locks.claim_call(now, LEASE)
        if call is None or call.lease_token is None:
            return None
        claim = Claim(call, call.lease_token, _locations(call), _round(call))
        if settled := _needs_no_call(claim):
            return replace(claim, settled=settled)
        url = call.poll_url or claim.locations[claim.round.standing.location]
        return replace(claim, attempt=CallAttempt.objects.create(call=call, url=url, started_at=now))


def _locations(call: Call) -> tuple[str, ...]:
    """Where to call, in order: the URL that the task gave, then the service's static fallback."""
    task = call.task
    given = task.cancel_url if call.action == CallAction.CANCEL else task.revert_url
    fallback = task.service.fallback_url
    if not given:
        return ()
    return (given, fallback_location(given, fallback)) if fallback else (given,)


def _round(call: Call) -> Round:
    """The last `attempts_made` attempts that came to an end; one that was interrupted has no outcome and no weight."""
    finished = call.attempts.exclude(outcome="").order_by("-id").values_list("started_at", "outcome")
    attempts = list(reversed(finished[: call.attempts_made]))
    past = standing(AnswerKind(outcome) for _, outcome in attempts)
    return Round(attempts[0][0] if attempts else None, past)


def _needs_no_call(claim: Claim) -> Settle | None:
    """How to settle a call that must not or cannot be made, None for one that can."""
    task = claim.call.task
    if task.status != _WAITS_FOR[CallAction(claim.call.action)]:
        return Settle(task.status != TaskStatus.REVERT_FAILED, Outcome.NEEDLESS)
    if not claim.locations:
        return Settle(False, Outcome.NO_URL)
    if claim.round.standing.location >= len(claim.locations):  # its fallback was taken away meanwhile
        return Settle(False, Outcome.GAVE_UP)
    return None


def _send(call: Call, attempt: CallAttempt) -> Answer:
    """Make the call. A fault of our own counts as a failed attempt: else the call would come back for ever."""
    task = call.task
    facts = outbound.CallFacts(
        job_id=call.job_id,
        task_id=task.task_id,
        action=call.action,
        reason=call.reason,
        idempotency_key=call.idempotency_key,
        secret=task.service.webhook_secret,
    )
    try:
        return outbound.send(attempt.url, facts, now=attempt.started_at, poll=bool(call.poll_url))
    except Exception:
        log.exception("call failed by a fault of ours", call=call.pk, job=str(call.job_id))
        return Answer(AnswerKind.TRANSIENT, detail="Choreo could not make the call; see its log.")


def _record(claim: Claim, attempt: CallAttempt, answer: Answer, took: timedelta, now: datetime) -> None:
    """Write down what came of an attempt, and either when the next one is due or how the call ended.

    All of it or nothing, and only while the claim holds: an answer to a lost claim leaves a remark with its attempt.
    """
    began = claim.round.started_at or attempt.started_at
    step = next_step(
        claim.round.standing,
        answer,
        poll_url=claim.call.poll_url,
        locations=len(claim.locations),
        now=now,
        give_up_at=began + timedelta(seconds=settings.CHOREO_REPLAY_WINDOW),
        rng=_rng,
    )
    with transaction.atomic():
        held = _settle(claim, step, now) if isinstance(step, Settle) else _postpone(claim, step, answer, now)
        attempt.duration_ms = int(took.total_seconds() * 1000)
        attempt.status_code = answer.status_code
        attempt.outcome = answer.kind if held else ""
        attempt.detail = answer.detail if held else f"Came too late: {answer.detail}"[:300]
        attempt.save(update_fields=["duration_ms", "status_code", "outcome", "detail"])


def _settle(claim: Claim, step: Settle, now: datetime) -> bool:
    held = undo.settle_call(claim.call.pk, claim.token, done=step.done, outcome=step.outcome, now=now)
    if held:  # a call that began again for late work has a new round, with no attempts in it
        ended = [CallStatus.DONE, CallStatus.FAILED]
        Call.objects.filter(pk=claim.call.pk, status__in=ended).update(attempts_made=F("attempts_made") + 1)
    return held


def _settle_uncalled(claim: Claim, now: datetime) -> None:
    if step := claim.settled:
        undo.settle_call(claim.call.pk, claim.token, done=step.done, outcome=step.outcome, now=now)


def _postpone(claim: Claim, step: Retry, answer: Answer, now: datetime) -> bool:
    """Give the claim back with the time of the next attempt; False when it was lost. The job is locked first, as
    everywhere (see `locks`)."""
    job = locks.lock_job(claim.call.job_id)
    held = Call.objects.filter(pk=claim.call.pk, status=CallStatus.RUNNING, lease_token=claim.token).update(
        status=CallStatus.PENDING,
        next_at=step.at,
        poll_url=step.poll_url,
        attempts_made=F("attempts_made") + 1,
        lease_until=None,
        lease_token=None,
    )
    still_polling = claim.call.poll_url and answer.kind is AnswerKind.UNDER_WAY
    if held and not still_polling:  # the history tells that it is under way once, not at every look
        history.record(
            job,
            EventKind.CALL_ATTEMPT,
            actor=history.CHOREO,
            now=now,
            task=claim.call.task,
            action=claim.call.action,
            outcome=answer.kind,
            detail=answer.detail,
        )
    return bool(held)
