"""Sending what is due. The row is the queue: claim it with a lease, commit, send, record by a guarded update.

A sender that dies between its claim and its record leaves a lease that runs out; then another sends again, under the
same Message-ID. So a message may come twice, but not never. Providers are asked in threads of their own, so that one
that hangs delays nobody else's message; the database is only touched by the thread that sweeps.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import QuerySet

from escalation.domain.delivery import (
    CALLS_FOR_HELP,
    RETRY_WINDOW,
    Channel,
    DeliveryStatus,
    MessageKind,
    Outcome,
    retry_delay,
)
from escalation.domain.incidents import IncidentStatus, NoteKind
from escalation.models import DeliveryAttempt, Incident, Notification
from escalation.services.escalating import hurry
from escalation.services.transitions import CHOREO, lock_incident, note
from escalation.transports.base import TIMEOUT, Message, PermanentError, Receipt, TransientError, Transport
from escalation.transports.config import ways

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
_AT_ONCE = 16
_LAST_CALL = TIMEOUT + 5.0
"""Seconds until a send is given up that no timeout of its own has ended, such as one answered a byte at a time."""


@dataclass(frozen=True)
class Claim:
    """A notification that this sender owns until its lease runs out, and the attempt that was written for it."""

    notification: Notification
    attempt: DeliveryAttempt
    transport: Transport
    token: UUID


@dataclass(frozen=True)
class Result:
    """How one attempt ended."""

    outcome: Outcome
    detail: str = ""
    provider_id: str = ""
    latency_ms: int = 0


def deliver_due(now: datetime, *, seconds: float = 10.0) -> int:
    """Send what is due; how many attempts were made. Claims nothing more after about `seconds`.

    `now` is the moment of the call; the time that the sending takes is added to it.
    """
    begun = time.monotonic()
    made = 0
    while (passed := time.monotonic() - begun) <= seconds:
        claims = claim_due(now + timedelta(seconds=passed))
        if not claims:
            break
        for claim, result in send_all(claims):
            record(claim, result, now + timedelta(seconds=time.monotonic() - begun))
        made += len(claims)
    return made


def claim_due(now: datetime, limit: int = _AT_ONCE) -> list[Claim]:
    """Take up to `limit` due notifications, each with its attempt written down before it is sent.

    The incidents are read again under lock: a call for help whose acknowledgement is committed is withdrawn.
    """
    if not any(rows.exists() for rows in _due(now)):  # the usual case, without a transaction
        return []
    with transaction.atomic():
        taken: list[Notification] = []
        for rows in _due(now):
            taken += rows.select_for_update(skip_locked=True, no_key=True)[: limit - len(taken)]
        taken.sort(key=lambda row: row.pk)
        incidents = {row.incident_id for row in taken}
        locked = Incident.objects.select_for_update(no_key=True).filter(pk__in=incidents).order_by("pk")
        fresh = {incident.pk: incident for incident in locked}
        return [claim for row in taken if (claim := _claim(row, fresh[row.incident_id], now))]


def send_all(claims: list[Claim]) -> Iterator[tuple[Claim, Result]]:
    """Send each in a thread, and yield the results as they come; what does not end in time failed for now."""
    results: SimpleQueue[tuple[Claim, Result]] = SimpleQueue()
    for claim in claims:
        Thread(target=lambda c: results.put((c, send(c))), args=(claim,), daemon=True).start()
    until = time.monotonic() + _LAST_CALL
    missing = {claim.token: claim for claim in claims}
    while missing:
        try:
            claim, result = results.get(timeout=max(until - time.monotonic(), 0.001))
        except Empty:
            break
        del missing[claim.token]
        yield claim, result
    for claim in missing.values():
        yield claim, Result(Outcome.TRANSIENT, f"No end after {_LAST_CALL:g} s.", latency_ms=int(_LAST_CALL * 1000))


def send(claim: Claim) -> Result:
    """Ask the provider, outside of any transaction; every way in which this can go wrong is a Result."""
    begun = time.monotonic()
    outcome, detail, provider_id = _ask(claim)
    return Result(outcome, detail[:300], provider_id[:150], int((time.monotonic() - begun) * 1000))


def record(claim: Claim, result: Result, now: datetime) -> bool:
    """Write down how the attempt ended; False when the claim no longer holds, and then only the attempt tells of it.

    A message that was accepted is sent even so: whoever holds it now must not send it again.
    """
    with transaction.atomic():
        DeliveryAttempt.objects.filter(pk=claim.attempt.pk).update(
            outcome=result.outcome,
            detail=result.detail,
            provider_id=result.provider_id,
            latency_ms=result.latency_ms,
        )
        held = Notification.objects.select_for_update(no_key=True).filter(pk=claim.notification.pk)
        if result.outcome is Outcome.ACCEPTED:
            waiting = held.filter(status__in=[DeliveryStatus.PENDING, DeliveryStatus.SENDING])
            return bool(waiting) and _settle(waiting[0], DeliveryStatus.SENT, result.detail, now)
        row = held.filter(status=DeliveryStatus.SENDING, lease_token=claim.token).first()
        return row is not None and _after_failure(row, result, now)


def _due(now: datetime) -> tuple[QuerySet[Notification], QuerySet[Notification]]:
    """What fell due, and what a sender left behind: two questions, for each has an index that an OR would not use."""
    return (
        Notification.objects.filter(status=DeliveryStatus.PENDING, next_at__lte=now).order_by("next_at"),
        Notification.objects.filter(status=DeliveryStatus.SENDING, lease_until__lte=now).order_by("lease_until"),
    )


def _claim(row: Notification, incident: Incident, now: datetime) -> Claim | None:
    if not _still_true(row, incident):
        _settle(row, DeliveryStatus.WITHDRAWN, f"The incident was {incident.status} before this was sent.", now)
        return None
    if now - row.created_at > RETRY_WINDOW:
        row.incident = incident
        _give_up(row, f"Not delivered within {RETRY_WINDOW}. Last: {row.detail}", now)
        return None
    transports = ways(Channel(row.channel))
    transport = transports[row.way % len(transports)]
    attempt = DeliveryAttempt.objects.create(notification=row, provider=transport.name, started_at=now)
    row.status, row.lease_until, row.lease_token = DeliveryStatus.SENDING, now + LEASE, uuid4()
    row.save(update_fields=["status", "lease_until", "lease_token"])
    return Claim(row, attempt, transport, row.lease_token)


def _still_true(row: Notification, incident: Incident) -> bool:
    if row.kind in CALLS_FOR_HELP:
        return incident.status == IncidentStatus.OPEN and row.episode == incident.episode
    return row.kind != MessageKind.ACKNOWLEDGED or incident.status == IncidentStatus.ACKNOWLEDGED


def _ask(claim: Claim) -> tuple[Outcome, str, str]:
    try:
        receipt: Receipt = claim.transport.deliver(_message(claim.notification))
        return Outcome.ACCEPTED, receipt.detail, receipt.provider_id
    except TransientError as error:
        return Outcome.TRANSIENT, str(error), ""
    except PermanentError as error:
        return Outcome.PERMANENT, str(error), ""
    except Exception as error:  # a fault of ours must not lose the message: it stays, and is tried again
        log.exception("transport failed", notification=claim.notification.pk)
        return Outcome.TRANSIENT, f"A fault in the transport: {type(error).__name__}.", ""


def _message(row: Notification) -> Message:
    domain = row.message_id.rpartition("@")[2].rstrip(">")
    return Message(
        to=row.address,
        text=row.text,
        subject=row.subject,
        html=row.html,
        message_id=row.message_id,
        thread=f"<incident.{row.incident_id}@{domain}>",
    )


def _settle(row: Notification, status: DeliveryStatus, detail: str, now: datetime) -> bool:
    row.status, row.detail, row.settled_at = status, detail[:300], now
    row.lease_until = row.lease_token = None
    row.save(update_fields=["status", "detail", "settled_at", "lease_until", "lease_token"])
    return True


def _after_failure(row: Notification, result: Result, now: datetime) -> bool:
    """The next provider at once; after the last one, wait and begin again, unless every one refused for good."""
    last = row.way >= len(ways(Channel(row.channel))) - 1
    if last and _refused_by_all(row):
        return _give_up(row, result.detail, now)
    row.way = 0 if last else row.way + 1
    row.attempts += last
    row.next_at = now + retry_delay(row.attempts, random.random()) if last else now
    row.status, row.detail, row.lease_until, row.lease_token = DeliveryStatus.PENDING, result.detail, None, None
    row.save(update_fields=["way", "attempts", "next_at", "status", "detail", "lease_until", "lease_token"])
    return True


def _refused_by_all(row: Notification) -> bool:
    """Did each provider of this round, up to the one whose turn it was, refuse for good?"""
    round_of_attempts = row.delivery_attempts.order_by("-id").values_list("outcome", flat=True)[: row.way + 1]
    return all(outcome == Outcome.PERMANENT for outcome in round_of_attempts)


def _give_up(row: Notification, why: str, now: datetime) -> bool:
    """It will not be delivered: say so on the incident, and let the next step not wait when this one reached nobody."""
    _settle(row, DeliveryStatus.FAILED, why, now)
    incident = lock_incident(row.incident_id)
    note(incident, NoteKind.UNREACHABLE, CHOREO, now, f"{row.contact_name} by {row.channel}: {why}")
    same_step = Notification.objects.filter(
        incident=incident, kind__in=CALLS_FOR_HELP, episode=row.episode, step=row.step
    )
    if row.kind in CALLS_FOR_HELP and not same_step.exclude(status=DeliveryStatus.FAILED).exists():
        hurry(incident, now)
    return True
