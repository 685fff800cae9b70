"""One request walked down the ladder with httpx: what `Dependency` does for each call."""

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import httpx

from choreo_client.errors import ChoreoError
from choreo_client.fallback import Rng, parse_retry_after
from choreo_client.ladder import Attempt, GiveUp, Location, Move, Policy, Queue, Reason, deadline_of, next_move
from choreo_client.transport import Clock, Sleep, encode, utc_now

_FINAL = frozenset({Reason.REFUSED, Reason.NOT_IDEMPOTENT})


class GaveUp(ChoreoError):
    """Nothing more can be tried: answer 500 or 503, with a `Retry-After` of `retry_after` seconds.

    `response` is the last attempt's answer, None when none came.
    """

    def __init__(self, reason: Reason, retry_after: float, response: httpx.Response | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        self.response = response
        answered = "no answer" if response is None else f"answered {response.status_code}"
        super().__init__(f"{reason.value}: {answered}")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, wherever: `body` is JSON (None: no body), and nothing is sent at or after `bound`."""

    method: str
    path: str
    body: object
    headers: Mapping[str, str]
    bound: datetime | None = None

    @property
    def content(self) -> bytes | None:
        """The body as it is sent; TypeError or ValueError for what JSON has no word for."""
        return None if self.body is None else encode(self.body)

    def payload(self) -> dict[str, Any]:
        """As a queue's entry."""
        bound = None if self.bound is None else self.bound.isoformat()
        return {
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "headers": dict(self.headers),
            "bound": bound,
        }

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """The request that a queue's entry holds."""
        bound = payload["bound"] and datetime.fromisoformat(payload["bound"])
        return cls(payload["method"], payload["path"], payload["body"], payload["headers"], bound)


@dataclass(frozen=True, slots=True)
class Caller:
    """How attempts are made; `timeout` (seconds) bounds each of their steps."""

    http: httpx.Client
    timeout: float = 5.0
    sleep: Sleep = time.sleep
    clock: Clock = utc_now
    rng: Rng = random.random


@dataclass(slots=True)
class Walk:
    """One request's way. `locations` are known from the start; `more` is asked for others when nothing else is left,
    so that a registry is no part of a call that can do without it."""

    caller: Caller
    request: Request
    policy: Policy
    locations: Sequence[Location]
    more: Callable[[], Iterable[Location]] | None = None
    tried: list[Attempt] = field(default_factory=list)
    answer: httpx.Response | None = None

    def run(self) -> httpx.Response | Queue:
        """A success (2xx or 304), or the queue; raises GaveUp."""
        began = self.caller.clock()
        deadline = deadline_of(self.policy, began, self.request.bound)
        while True:
            move = self._next(began)
            if isinstance(move, Queue):
                return move
            if isinstance(move, GiveUp):
                raise GaveUp(move.reason, move.retry_after, self.answer)
            now = self._wait_until(move.at)
            left = math.inf if deadline is None else (deadline - now).total_seconds()
            if left <= 0:
                continue  # overslept: now the next move is no call
            self.answer = answer = self._attempt(move.location, min(self.caller.timeout, left))
            if answer is not None and _is_success(answer):
                return answer

    def _next(self, began: datetime) -> Move:
        move = self._ask_ladder(began)
        ends = isinstance(move, Queue) or (isinstance(move, GiveUp) and move.reason not in _FINAL)
        if not ends or self.more is None:
            return move
        self.locations, self.more = [*self.locations, *self.more()], None
        return self._ask_ladder(began)

    def _ask_ladder(self, began: datetime) -> Move:
        return next_move(
            self.policy,
            self.locations,
            self.tried,
            method=self.request.method,
            began=began,
            now=self.caller.clock(),
            rng=self.caller.rng,
            bound=self.request.bound,
        )

    def _wait_until(self, at: datetime) -> datetime:
        wait = (at - self.caller.clock()).total_seconds()
        if wait > 0:
            self.caller.sleep(wait)
        return self.caller.clock()

    def _attempt(self, location: Location, timeout: float) -> httpx.Response | None:
        """The answer, None when none came. A failure is noted."""
        answer, usable = None, True
        try:
            answer = self._send(location.url, timeout)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError):  # the last: no host name
            usable = False
        except httpx.RequestError:
            pass  # no answer came: that is what is noted
        if answer is None or not _is_success(answer):
            self.tried.append(_failure(location, answer, self.caller.clock(), usable))
        return answer

    def _send(self, base: str, timeout: float) -> httpx.Response:
        request = self.request
        url = base.rstrip("/") + request.path if request.path else base
        return self.caller.http.request(
            request.method, url, content=request.content, headers=request.headers, timeout=timeout
        )


def _is_success(answer: httpx.Response) -> bool:
    return answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED


def _failure(location: Location, answer: httpx.Response | None, now: datetime, usable: bool) -> Attempt:
    if answer is None:
        return Attempt(location.url, now, usable=usable)
    asked = parse_retry_after(answer.headers.get("retry-after"), now)
    return Attempt(location.url, now, answer.status_code, asked)
