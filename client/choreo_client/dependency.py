"""A service that this one depends on, and the plan for when it fails (pattern: "plan a fallback per dependency")."""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Unpack

import httpx

from choreo_client.correlation import outgoing_headers
from choreo_client.entries import Entry
from choreo_client.fallback import Rng, standing_in
from choreo_client.ladder import DEFAULT_POLICY, Location, Policy, Queue, Reason, Rung
from choreo_client.replay import QueueOptions, ReplayQueue, TryAgain
from choreo_client.transport import Clock, Sleep, utc_now
from choreo_client.walk import Caller, GaveUp, Request, Walk

_QUEUED = frozenset({"PUT", "DELETE"})
"""The idempotent methods with an effect: nobody would be left to read the answer to a GET."""


@dataclass(frozen=True, slots=True)
class Queued:
    """It is kept, and replayed first at `at` and at last at `until`: answer 202. `reason` is for operators."""

    at: datetime
    until: datetime
    reason: str


class Dependency:
    """Calls `url`, or paths below it, and what stands in for it when it fails. Safe to share between threads.

    `static` is a configured alternate URL; `registry` gives more of them, in order, and is asked only when nothing
    else is left (a `Registry`, for one). An alternate that is only an origin keeps the path of `url`. `timeout` is in
    seconds and bounds each step of an attempt. `queue_in` adds the queue for later replay.
    """

    def __init__(
        self,
        url: str,
        *,
        static: str | None = None,
        registry: Callable[[], Iterable[str]] | None = None,
        policy: Policy = DEFAULT_POLICY,
        timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
        clock: Clock = utc_now,
        rng: Rng = random.random,
    ) -> None:
        self._given = Location(url)
        self._static = [] if static is None else [Location(standing_in(url, static), Rung.STATIC)]
        self._registry = registry
        self._policy = replace(policy, replay_window=0.0)
        # Neighbours are spoken to directly, whatever proxy or password the environment names.
        http = httpx.Client(transport=transport, trust_env=False)
        self._caller = Caller(http, timeout, sleep, clock, rng)
        self._queue: ReplayQueue | None = None

    def queue_in(self, path: str | Path | None = None, **options: Unpack[QueueOptions]) -> ReplayQueue:
        """Keep PUTs and DELETEs that cannot be done now in a ReplayQueue with these options; its `on_refused` hears
        of what is given up. Say so in the service's own documents: 202 then stands for what may still fail."""
        self._queue = ReplayQueue(self._replay, path, **options)
        return self._queue

    def call(
        self,
        method: str,
        path: str = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        bound: datetime | None = None,
        key: str = "",
    ) -> httpx.Response | Queued:
        """A success (2xx or 304), or Queued; raises GaveUp. `body` is JSON; `path` is appended to a location's URL.

        Waits between attempts, in this thread, but calls nothing at or after `bound`: the job's own deadline. What
        is queued is replayed in order per `key` (the path, if empty); a call of which an older one still waits goes
        behind that, lest the older one win.
        """
        request = _request(method, path, body, headers, bound)
        queue = self._queue if request.method in _QUEUED else None
        if queue is None:
            return self._answer(request, self._policy)
        if queue.holds(key or path):
            return self._keep(queue, request, key or path, self._behind(queue, request))
        end = self._walk(request, replace(self._policy, replay_window=queue.max_age))
        return self._keep(queue, request, key or path, end) if isinstance(end, Queue) else end

    def call_once(
        self,
        method: str,
        path: str = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        bound: datetime | None = None,
    ) -> httpx.Response:
        """One attempt at each location, and no wait: for who has a queue of their own. TryAgain when it may succeed
        later, else GaveUp."""
        return self._once(_request(method, path, body, headers, bound))

    def close(self, timeout: float = 1.0) -> None:
        """Stop the queue (see its `close`), and give the connections back."""
        if self._queue is not None:
            self._queue.close(timeout)
        self._caller.http.close()

    def _replay(self, entry: Entry) -> None:
        self._once(Request.of(entry.payload))

    def _once(self, request: Request) -> httpx.Response:
        try:
            return self._answer(request, replace(self._policy, attempts=1, total=None))
        except GaveUp as end:
            if end.reason is not Reason.EXHAUSTED:
                raise
            until = None if request.bound is None else request.bound.timestamp()
            raise TryAgain(str(end), end.retry_after, until) from end

    def _answer(self, request: Request, policy: Policy) -> httpx.Response:
        end = self._walk(request, policy)
        assert not isinstance(end, Queue), "a policy without a window has no queue"
        return end

    def _walk(self, request: Request, policy: Policy) -> httpx.Response | Queue:
        more = None if self._registry is None else self._registered
        return Walk(self._caller, request, policy, [self._given, *self._static], more).run()

    def _registered(self) -> list[Location]:
        found = []
        for url in self._registry() if self._registry else []:
            with suppress(ValueError):  # one that is no URL: the others may be
                found.append(Location(standing_in(self._given.url, url), Rung.REGISTRY))
        return found

    def _behind(self, queue: ReplayQueue, request: Request) -> Queue:
        now = self._caller.clock()
        until = now + timedelta(seconds=queue.max_age)
        return Queue(now, min(until, request.bound or until), "An older call waits.")

    def _keep(self, queue: ReplayQueue, request: Request, key: str, place: Queue) -> Queued:
        delay = max(0.0, (place.at - self._caller.clock()).total_seconds())
        if not queue.put(key, request.method, request.payload(), delay):
            raise GaveUp(Reason.EXHAUSTED, self._policy.max_delay)
        return Queued(place.at, place.until, place.reason)


def _request(
    method: str, path: str, body: object, headers: Mapping[str, str] | None, bound: datetime | None
) -> Request:
    kind = {} if body is None else {"content-type": "application/json"}
    given = {name.lower(): value for name, value in (headers or {}).items()}
    return Request(method.upper(), path, body, {**kind, **outgoing_headers(), **given}, bound)
