"""The IDs that travel on every message: jobID as `correlation-id`, taskID as `request-id`.

`traceparent` (W3C Trace Context) goes along unchanged when it is valid.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

CORRELATION_ID = "correlation-id"
REQUEST_ID = "request-id"
TRACEPARENT = "traceparent"

_VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")
# Version ff is forbidden, and version 00 (55 characters) allows no tail; later ones do.
_TRACEPARENT = re.compile(
    r"(?!ff|00-.{53})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)


@dataclass(frozen=True, slots=True)
class Correlation:
    """What the current work belongs to; each member is None when it is not known."""

    job_id: str | None = None
    task_id: str | None = None
    traceparent: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers for an outgoing message, and for the answer to an incoming one."""
        pairs = {
            CORRELATION_ID: self.job_id,
            REQUEST_ID: self.task_id,
            TRACEPARENT: self.traceparent,
        }
        return {name: value for name, value in pairs.items() if value is not None}


_NOTHING = Correlation()
_current: ContextVar[Correlation] = ContextVar("choreo_correlation", default=_NOTHING)


def current() -> Correlation:
    """The correlation of the running thread or task; empty outside `correlated`."""
    return _current.get()


@contextmanager
def correlated(correlation: Correlation) -> Iterator[Correlation]:
    """Make `correlation` the current one inside the block."""
    token = _current.set(correlation)
    try:
        yield correlation
    finally:
        _current.reset(token)


def from_headers(headers: Mapping[str, str]) -> Correlation:
    """Read an incoming message's IDs; `request-id` is then the *sender's* taskID.

    Names are matched in any case, `X-Correlation-ID` and `X-Request-ID` count too. A value
    that is not 1 to 128 visible ASCII characters is dropped: it must never be echoed or logged.
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    return Correlation(
        job_id=_identifier(found, CORRELATION_ID),
        task_id=_identifier(found, REQUEST_ID),
        traceparent=_matching(_TRACEPARENT, found.get(TRACEPARENT)),
    )


def outgoing_headers() -> dict[str, str]:
    """The headers of the current correlation, for a call made on its behalf."""
    return current().headers()


def _identifier(found: Mapping[str, str], name: str) -> str | None:
    return _matching(_VISIBLE_ASCII, found.get(name) or found.get(f"x-{name}"))


def _matching(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value and pattern.fullmatch(value) else None
