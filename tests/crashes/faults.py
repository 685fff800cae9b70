"""Faults on purpose: what the harness has to find, or it proves nothing. Each one breaks a rule of the design."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpcore
from django.db import transaction

from escalation.models import Notification
from escalation.services import deliveries, paging
from jobs.models import Call
from jobs.services import calls, outbound, undo
from tests.crashes.judge import Kind
from tests.crashes.orders import Side

Now = Callable[[], datetime]


def new_key_each_time(now: Now) -> None:
    """Every attempt has an idempotency key of its own, so that a repeat is no repeat to its receiver."""
    original = httpcore.ConnectionPool.handle_request

    def handle_request(pool: httpcore.ConnectionPool, request: httpcore.Request) -> httpcore.Response:
        request.headers = [
            (name, str(uuid4()).encode() if name.lower() == b"idempotency-key" else value)
            for name, value in request.headers
        ]
        return original(pool, request)

    patch.object(httpcore.ConnectionPool, "handle_request", handle_request).start()


def lease_without_end(now: Now) -> None:
    """The claim of a dead worker never runs out."""
    patch.object(calls, "LEASE", timedelta(days=36500)).start()


def recorded_before_sent(now: Now) -> None:
    """A call is written down as done, and only then made."""
    original = outbound.send

    def send(url: str, facts: outbound.CallFacts, *args: Any, **kwargs: Any) -> Any:
        call = Call.objects.get(idempotency_key=facts.idempotency_key)
        if call.lease_token:
            undo.settle_call(call.pk, call.lease_token, done=True, outcome="done", now=now())
        return original(url, facts, *args, **kwargs)

    patch.object(outbound, "send", send).start()


def paged_after_commit(now: Now) -> None:
    """The call for help gets its receipt in one transaction, and the messages about it are written in the next."""

    def page(*args: Any, **kwargs: Any) -> str:
        transaction.on_commit(lambda: paging.page(*args, **kwargs))
        return "somebody"

    patch("escalation.services.escalating.page", page).start()


def said_before_sent(now: Now) -> None:
    """A message is written down as sent, and only then handed to its provider."""
    original = deliveries.send

    def send(claim: deliveries.Claim) -> deliveries.Result:
        Notification.objects.filter(pk=claim.notification.pk).update(
            status="sent", settled_at=now(), lease_until=None, lease_token=None
        )
        return original(claim)

    patch.object(deliveries, "send", send).start()


@dataclass(frozen=True)
class Fault:
    """`breaks` puts it in place. `kind` has to be found by a death on `sides` of the points whose label begins with
    `label`, and only there: on the other side nothing is wrong."""

    breaks: Callable[[Now], None]
    kind: Kind
    label: str
    sides: frozenset[Side]


BEFORE, AFTER = frozenset({Side.BEFORE}), frozenset({Side.AFTER})
FAULTS = {
    "new-key": Fault(new_key_each_time, Kind.DOUBLE_EFFECT, "send: PUT /pay/revert", AFTER),
    "lease-without-end": Fault(lease_without_end, Kind.STUCK, "send: PUT /tax/revert", BEFORE | AFTER),
    "recorded-before-sent": Fault(recorded_before_sent, Kind.LOST_REVERT, "send: PUT /ship/revert", BEFORE),
    "paged-after-commit": Fault(paged_after_commit, Kind.LOST_CALL, "commit: insert escalation_incident", AFTER),
    "said-before-sent": Fault(said_before_sent, Kind.LOST_CALL, "send: mail to", BEFORE),
}
