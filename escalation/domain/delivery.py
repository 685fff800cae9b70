"""Notifications: what is sent, by which way, and when it is tried again."""

from datetime import timedelta
from enum import StrEnum


class Channel(StrEnum):
    """How a message reaches a contact."""

    EMAIL = "email"
    SMS = "sms"


class MessageKind(StrEnum):
    """What a message says; also the name of its folder of templates."""

    OPENED = "opened"
    WORSE = "worse"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class DeliveryStatus(StrEnum):
    """Where a notification is: due at `next_at`, claimed until `lease_until`, or settled.

    `sent` means that a provider accepted it. `withdrawn` means that it was no longer true before it was sent.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """How one attempt ended; an attempt without one was interrupted, or is under way."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


CALLS_FOR_HELP = frozenset({MessageKind.OPENED, MessageKind.WORSE})
"""Kinds that ask somebody to act: never sent once an acknowledgement is committed."""

RETRY_WINDOW = timedelta(hours=24)
_FIRST, _FACTOR, _CAP = 5.0, 3.0, 900.0


def retry_delay(rounds: int, jitter: float) -> timedelta:
    """How long to wait after the `rounds`-th failed round (1, 2 …): about 5 s, 15 s, 45 s … 15 min at most.

    `jitter` is a random number in 0…1; half of the delay is fixed and half is random, so that what failed together
    does not come back together.
    """
    ceiling = min(_CAP, _FIRST * _FACTOR ** min(rounds - 1, 10))
    return timedelta(seconds=ceiling * (0.5 + 0.5 * jitter))
