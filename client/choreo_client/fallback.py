"""What may be repeated, and after how long: the plain facts that the ladder (`ladder.py`) stands on.

Pure: no clock, no network and no randomness of its own.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
TRANSIENT_STATUSES = frozenset({408, 425, 429})

Rng = Callable[[], float]
"""Gives a number in [0, 1): `random.random`, or a constant in a test."""


def is_transient(status: int | None) -> bool:
    """May the same request succeed later? None stands for no answer at all."""
    return status is None or status >= 500 or status in TRANSIENT_STATUSES


def backoff(attempt: int, rng: Rng, *, first: float = 1.0, longest: float = 30.0) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): `first`, doubled up to `longest`.

    With equal jitter: half of the wait is fixed, half is random.
    """
    # The exponent is bounded because 2.0 ** 1024 overflows, and replay may count that far.
    full = min(longest, first * 2.0 ** min(attempt - 1, 32))
    return full / 2 + rng() * full / 2


def standing_in(given: str, other: str) -> str:
    """Where to call at another location than the `given` URL's.

    One that is only an origin (`https://spare.example`) stands in for the given URL's own: path and query are kept.
    One with a path or a query is called as it stands.
    """
    base, path = urlsplit(other), urlsplit(given)
    if base.path not in {"", "/"} or base.query:
        return other
    return urlunsplit((base.scheme, base.netloc, path.path or "/", path.query, ""))


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
