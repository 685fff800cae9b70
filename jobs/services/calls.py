"""Makes the cancel and revert calls that are due: claims one, commits, calls, and has recorded what came of it.

A worker that dies in between loses nothing: its claim runs out, and the call is made again under the same
idempotency key. What an answer leads to is decided in `jobs.domain.callbacks`, and written down in `answers`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from choreo_client.ladder import Location
from django.conf import settings
from django.db import transaction

from jobs.domain.callbacks import (
    Answer,
    AnswerKind,
    Enqueue,
    Outcome,
    Past,
    Round,
    Settle,
    Wait,
    locations,
    next_location,
)
from jobs.domain.states import CallAction, TaskStatus
from jobs.models import Call, CallAttempt, Task
from jobs.services import answers, locks, outbound, registry
from jobs.services.accounts import allowed_hosts, signing_secrets

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""How long a claim holds: three times what a call may take, so that only a dead worker's runs out."""

_WAITS_FOR = {CallAction.CANCEL: TaskStatus.CANCELLING, CallAction.REVERT: TaskStatus.REVERTING}


@dataclass(frozen=True)
class Claim:
    """A call that is this worker's own until its lease runs out: `attempt` is to be made, or, when there is none, it
    ends or waits (`instead`) without a call."""

    call: Call
    token: UUID
    round: Round
    attempt: CallAttempt | None = None
    instead: Enqueue | Settle | None = None


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
        if claim.instead:
            answers.record_without_call(claim.call, claim.token, claim.instead, now_fn())
        return True
    began = time.monotonic()
    answer = _send(claim.call, claim.attempt)
    took = timedelta(seconds=time.monotonic() - began)
    answers.record(claim.call, claim.token, claim.round, claim.attempt, answer, took, now_fn())
    return True


def _claim(now: datetime) -> Claim | None:
    """Take one due call and leave the trace of the attempt that is about to be made, in a transaction of its own."""
    with transaction.atomic():
        call = locks.claim_call(now, LEASE)
        if call is None or call.lease_token is None:
            return None
        claim = Claim(call, call.lease_token, _round(call, now))
        place = _needless(call, claim.round) or _place(call, claim.round, now)
        if not isinstance(place, str):
            return replace(claim, instead=place)
        method = "GET" if call.poll_url else "PUT"
        attempt = CallAttempt.objects.create(call=call, method=method, url=place, started_at=now)
        return replace(claim, attempt=attempt)


def _round(call: Call, now: datetime) -> Round:
    """The last `attempts_made` attempts that came to an end; one that was interrupted has no outcome and no weight."""
    finished = call.attempts.exclude(outcome="").order_by("-id")[: call.attempts_made]
    attempts = list(reversed(finished))
    queued = call.give_up_at if call.queued_at else None
    return Round(
        began=attempts[0].started_at if attempts else now,
        locations=_locations(call.task, CallAction(call.action), now),
        past=[_past(attempt) for attempt in attempts],
        window=settings.CHOREO_REPLAY_WINDOW,
        wait=Wait(queued, call.replays) if queued else None,
    )


def _locations(task: Task, action: CallAction, now: datetime) -> tuple[Location, ...]:
    """Where to call, in order; a lease that has run out is none."""
    given = task.cancel_url if action is CallAction.CANCEL else task.revert_url
    registered = registry.live_locations(task.service.name, now).values_list("url", flat=True)
    return locations(given, task.service.fallback_url, list(registered) if given else [])


def _past(attempt: CallAttempt) -> Past:
    took = timedelta(milliseconds=attempt.duration_ms or 0)
    return Past(
        url=attempt.url,
        at=attempt.started_at + took,
        kind=AnswerKind(attempt.outcome),
        status_code=attempt.status_code,
        retry_after=attempt.retry_after,
        polled=attempt.method == "GET",
    )


def _needless(call: Call, now_due: Round) -> Settle | None:
    """How to settle a call that must not or cannot be made, None for one that can."""
    task = call.task
    if task.status != _WAITS_FOR[CallAction(call.action)]:
        return Settle(task.status != TaskStatus.REVERT_FAILED, Outcome.NEEDLESS)
    return None if now_due.locations else Settle(False, Outcome.NO_URL)


def _place(call: Call, now_due: Round, now: datetime) -> str | Enqueue | Settle:
    """The URL that has its turn."""
    if call.poll_url:
        return call.poll_url
    place = next_location(now_due, now)
    return place.url if isinstance(place, Location) else place


def _send(call: Call, attempt: CallAttempt) -> Answer:
    """Make the call. A fault of our own counts as a failed attempt: else the call would come back for ever."""
    service = call.task.service
    facts = outbound.CallFacts(
        job_id=call.job_id,
        task_id=call.task.task_id,
        action=call.action,
        reason=call.reason,
        idempotency_key=call.idempotency_key,
        secrets=tuple(signing_secrets(service, attempt.started_at)),
        allowed=allowed_hosts(service),
    )
    try:
        return outbound.send(attempt.url, facts, now=attempt.started_at, poll=attempt.method == "GET")
    except Exception:
        log.exception("call failed by a fault of ours", call=call.pk, job=str(call.job_id))
        return Answer(AnswerKind.TRANSIENT, detail="Choreo could not make the call; see its log.")
