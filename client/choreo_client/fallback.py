"""The retry rule, pure: no clock, no network and no randomness of its own.

Only idempotent methods are repeated, and only for failures that may pass: 5xx, 408, 425,
429 and no answer at all. At most three attempts, about 1 s and 2 s apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
TRANSIENT_STATUSES = frozenset({408, 425, 429})

Rng = Callable[[], float]
"""Gives a number in [0, 1): `random.random`, or a constant in a test."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one failed attempt brought.

    `status` is the HTTP status, None when no answer came; `retry_after` is in seconds.
    """

    method: str
    status: int | None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently. Every member but `attempts` is in seconds.

    A server that asks for a longer wait than `max_retry_after` is not asked again here:
    coming back sooner than it asked would only hurt it.
    """

    attempts: int = 3
    first_delay: float = 1.0
    max_delay: float = 30.0
    max_retry_after: float = 10.0


DEFAULT_POLICY = RetryPolicy()
ONE_ATTEMPT = RetryPolicy(attempts=1)


def next_delay(attempt: int, outcome: Outcome, rng: Rng, policy: RetryPolicy = DEFAULT_POLICY) -> float | None:
    """Seconds to wait after failed attempt number `attempt` (from 1); None: give up."""
    asked = outcome.retry_after or 0.0
    if attempt >= policy.attempts or asked > policy.max_retry_after:
        return None
    if outcome.method not in IDEMPOTENT_METHODS or not is_transient(outcome.status):
        return None
    return max(asked, backoff(attempt, rng, policy))


def is_transient(status: int | None) -> bool:
    """May the same request succeed later? None stands for no answer at all."""
    return status is None or status >= 500 or status in TRANSIENT_STATUSES


def backoff(attempt: int, rng: Rng, policy: RetryPolicy = DEFAULT_POLICY) -> float:
    """Exponential with equal jitter: half of the wait is fixed, half is random."""
    # The exponent is bounded because 2.0 ** 1024 overflows, and replay may count that far.
    full = min(policy.max_delay, policy.first_delay * 2.0 ** min(attempt - 1, 32))
    return full / 2 + rng() * full / 2


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds asked for by a `Retry-After` header (RFC 9110 §10.2.3); None if unusable."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # An HTTP-date is GMT by definition, but the parser leaves "-0000" without a zone.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
