"""The fallback plan as one pure function: no clock, no network and no randomness of its own.

Pattern, "Plan for failure": retry with backoff, at most three times a location; then the static fallback; then what
the registry knows; then the queue for later replay; then give up, with a wait time. Choreo's own cancel and revert
calls and every service that imports this package climb the same ladder.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from choreo_client.fallback import IDEMPOTENT_METHODS, Rng, backoff, is_transient


class Rung(StrEnum):
    """Where a location is known from; they are climbed in this order."""

    GIVEN = "given"
    STATIC = "static"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a call can be made. Its URL is its identity: leases come and go between two calls of `next_move`."""

    url: str
    rung: Rung = Rung.GIVEN


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that failed.

    `url` is its Location's, `at` when it came to its end, `status` the HTTP status (None: no answer came),
    `retry_after` the seconds that the answer asked for. `usable` is False when nothing was sent, because the location
    cannot be called at all: a forbidden address, or no URL.
    """

    url: str
    at: datetime
    status: int | None = None
    retry_after: float | None = None
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how patiently; every member but `attempts` is in seconds. ValueError for what makes no sense.

    `attempts` counts at each location. A location that asks for more than `max_retry_after` is not asked again here:
    coming back sooner than it asked would only hurt it, so the next one has its turn. `total` bounds the whole walk
    (None: no bound of its own). What cannot be done now may wait `replay_window` for replay (0: there is no queue),
    with waits from `replay_first` (at most an eighth of the window) to `replay_longest`.
    """

    attempts: int = 3
    first_delay: float = 1.0
    max_delay: float = 30.0
    max_retry_after: float = 10.0
    total: float | None = None
    replay_window: float = 0.0
    replay_first: float = 30.0
    replay_longest: float = 900.0

    def __post_init__(self) -> None:
        waits = (self.first_delay, self.max_delay, self.max_retry_after, self.total or 0.0)
        replays = (self.replay_window, self.replay_first, self.replay_longest)
        if self.attempts < 1 or not all(0 <= seconds < math.inf for seconds in (*waits, *replays)):
            raise ValueError("a policy has at least one attempt, and finite seconds from 0 on")


DEFAULT_POLICY = Policy()
ONE_ATTEMPT = Policy(attempts=1)


class Reason(StrEnum):
    """Why nothing more is tried."""

    REFUSED = "refused"
    """The last answer is final: it will be the same again."""
    NOT_IDEMPOTENT = "not-idempotent"
    """It was sent, and sending it twice might do it twice."""
    FORBIDDEN = "forbidden"
    """None of the locations may be called."""
    NO_LOCATION = "no-location"
    """There is nowhere to send it, and nothing has failed that might recover."""
    EXHAUSTED = "exhausted"
    """Every location had its attempts, and there is no queue."""
    OUT_OF_TIME = "out-of-time"
    """What is left to do, attempt or replay, would come at or after the deadline."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Call the same location again at `at`; or call the given location for the first time."""

    at: datetime
    location: Location


@dataclass(frozen=True, slots=True)
class StaticFallback:
    """Call the next location, a configured one, at `at`."""

    at: datetime
    location: Location


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """Call the next location, one that the registry knows of, at `at`."""

    at: datetime
    location: Location


@dataclass(frozen=True, slots=True)
class Queue:
    """Keep it and replay it: first at `at`, at last at `until`. `reason` is for operators and names no URL."""

    at: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Try nothing more. Somebody may ask again after `retry_after` seconds."""

    reason: Reason
    retry_after: float


Call = Retry | StaticFallback | RegistryLocation
Move = Call | Queue | GiveUp


def next_move(
    policy: Policy,
    locations: Sequence[Location],
    tried: Sequence[Attempt],
    *,
    method: str,
    began: datetime,
    now: datetime,
    rng: Rng,
    bound: datetime | None = None,
) -> Move:
    """What to do next about a call that began at `began`, after these failed attempts (oldest first; none yet: []).

    `locations` are those that are known now, in order. Each has one turn of up to `policy.attempts` attempts; one that
    has had its turn, or is gone from the list, is not gone back to. Nothing is called at or after `began` plus
    `policy.total`, nor `bound` (the job's own deadline), which bounds the queue as well. A location that would be late
    gives its turn to one that would not.
    """
    if reason := _final(tried, method):
        return _give_up(reason, policy, tried, rng)
    turns = list(_turns(policy, locations, tried, now, rng))
    deadline = deadline_of(policy, began, bound)
    for at, location in turns:
        if deadline is None or at < deadline:
            return _call(at, location, tried)
    if not turns and not _was_sent(tried):  # only what may recover is worth a place in the queue
        return _give_up(Reason.FORBIDDEN if tried else Reason.NO_LOCATION, policy, tried, rng)
    late = bool(turns) or policy.replay_window > 0
    queue = _queue(policy, tried, now, rng, bound) if method in IDEMPOTENT_METHODS else None
    return queue or _give_up(Reason.OUT_OF_TIME if late else Reason.EXHAUSTED, policy, tried, rng)


def replay_at(
    policy: Policy, replays: int, *, now: datetime, until: datetime, rng: Rng, retry_after: float | None = None
) -> datetime:
    """When to replay what is queued, after `replays` replays in vain: the slow schedule.

    Starts at 30 s (or an eighth of the window, if that is less) and doubles up to 15 min, unless the policy says
    otherwise, half of each wait random; never sooner than `retry_after` seconds from `now`, and never after `until`:
    the last replay is exactly then.
    """
    first = min(policy.replay_first, policy.replay_window / 8)
    wait = max(backoff(replays + 1, rng, first=first, longest=policy.replay_longest), retry_after or 0.0)
    # Compared in seconds: a service may ask for more of them than a datetime can hold.
    return until if wait >= (until - now).total_seconds() else now + timedelta(seconds=wait)


def deadline_of(policy: Policy, began: datetime, bound: datetime | None = None) -> datetime | None:
    """From when on nothing is called any more: the earlier of `began` plus `policy.total`, and `bound`."""
    own = None if policy.total is None else began + timedelta(seconds=policy.total)
    return min((moment for moment in (own, bound) if moment is not None), default=None)


def _final(tried: Sequence[Attempt], method: str) -> Reason | None:
    """Why no location and no queue can help, if so."""
    if tried and tried[-1].usable and not is_transient(tried[-1].status):
        return Reason.REFUSED
    return Reason.NOT_IDEMPOTENT if method not in IDEMPOTENT_METHODS and _was_sent(tried) else None


def _was_sent(tried: Sequence[Attempt]) -> bool:
    return any(attempt.usable for attempt in tried)


def _turns(
    policy: Policy, locations: Sequence[Location], tried: Sequence[Attempt], now: datetime, rng: Rng
) -> Iterator[tuple[datetime, Location]]:
    """Who has a turn still, in order, and when: the last location again after a wait, the untried ones at once."""
    known = {attempt.url for attempt in tried}
    if tried and _may_go_on(policy, tried):
        last = tried[-1]
        at = now + timedelta(seconds=max(_next_backoff(policy, tried, rng), last.retry_after or 0.0))
        yield from ((at, location) for location in locations if location.url == last.url)
    yield from ((now, location) for location in locations if location.url not in known)


def _may_go_on(policy: Policy, tried: Sequence[Attempt]) -> bool:
    """Has the last location more attempts, and the patience for them?"""
    last = tried[-1]
    return (
        last.usable
        and _made_at(last.url, tried) < policy.attempts
        and (last.retry_after or 0.0) <= policy.max_retry_after
    )


def _made_at(url: str, tried: Sequence[Attempt]) -> int:
    return sum(attempt.url == url for attempt in tried)


def _next_backoff(policy: Policy, tried: Sequence[Attempt], rng: Rng) -> float:
    made = _made_at(tried[-1].url, tried) if tried else 1
    return backoff(made, rng, first=policy.first_delay, longest=policy.max_delay)


def _call(at: datetime, location: Location, tried: Sequence[Attempt]) -> Call:
    if location.rung is Rung.GIVEN or (tried and location.url == tried[-1].url):
        return Retry(at, location)
    return StaticFallback(at, location) if location.rung is Rung.STATIC else RegistryLocation(at, location)


def _queue(policy: Policy, tried: Sequence[Attempt], now: datetime, rng: Rng, bound: datetime | None) -> Queue | None:
    """A place in the queue; None when there is no queue, or no time to wait in it."""
    end = now + timedelta(seconds=policy.replay_window)
    until = end if bound is None else min(end, bound)
    if until <= now:
        return None
    asked = tried[-1].retry_after if tried else None
    at = replay_at(policy, 0, now=now, until=until, rng=rng, retry_after=asked)
    return Queue(at, until, _described(tried))


def _described(tried: Sequence[Attempt]) -> str:
    if not tried:
        return "There was no time for an attempt."
    last = tried[-1]
    what = "gave no answer" if last.status is None else f"answered {last.status}"
    count = "1 attempt" if len(tried) == 1 else f"{len(tried)} attempts"
    return f"After {count}, the last location {what if last.usable else 'cannot be called'}."


def _give_up(reason: Reason, policy: Policy, tried: Sequence[Attempt], rng: Rng) -> GiveUp:
    asked = tried[-1].retry_after if tried else None
    return GiveUp(reason, _next_backoff(policy, tried, rng) if asked is None else asked)
