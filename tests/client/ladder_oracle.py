"""What the ladder has to say, told a second time and plainly: no code is shared with it.

Chance is 0 throughout, so that the wait after the n-th attempt at a location is half of 1, 2, 4 … seconds.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from choreo_client.ladder import (
    Attempt,
    GiveUp,
    Location,
    Move,
    Queue,
    Reason,
    RegistryLocation,
    Retry,
    Rung,
    StaticFallback,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(seconds=100)
WINDOW = 800.0
TICK = 0.000001
GIVEN = Location("http://a.test")
STATIC = Location("http://b.test", Rung.STATIC)
REGISTRY = Location("http://c.test", Rung.REGISTRY)
ORDER = (GIVEN, STATIC, REGISTRY)

FORBIDDEN = 0
"""Stands for a status: nothing was sent, as the location cannot be called."""
PASSING = (None, 500, 599, 408, 425, 429)
FINAL = (101, 200, 302, 404, 499)
METHODS = ("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH")
ASKED = (None, 7.0, 10.0, 10.0 + TICK)
DEADLINES = ("none", "bound just after", "bound at", "bound now", "total just after", "total at", "total now")


@dataclass(frozen=True)
class Case:
    """The last failure was the `made`-th attempt at `here`, which asked for `asked` seconds.

    `before` is what came of the locations before it (FORBIDDEN, or three times 503), `left` are those after it.
    `deadline` tells in words whose it is, and when: compared with now, or the time of the next attempt at `here`.
    """

    method: str
    status: int | None
    made: int
    here: int
    before: int
    left: tuple[Location, ...]
    queue: bool
    deadline: str
    asked: float | None

    @property
    def wait(self) -> float:
        """Seconds until `here` may be asked again."""
        return max({1: 0.5, 2: 1.0, 3: 2.0}[self.made], self.asked or 0.0)

    @property
    def ends_in(self) -> float | None:
        """Seconds from now to the deadline."""
        ends = {"none": None, "now": 0.0, "at": self.wait, "just after": self.wait + TICK}
        return ends[self.deadline.removeprefix("bound ").removeprefix("total ")]

    @property
    def bound(self) -> float | None:
        """Seconds from now to the job's own deadline."""
        return self.ends_in if self.deadline.startswith("bound") else None

    @property
    def total(self) -> float | None:
        """The policy's own bound, in seconds since the call began, 100 s ago."""
        return 100.0 + (self.ends_in or 0.0) if self.deadline.startswith("total") else None

    @property
    def locations(self) -> list[Location]:
        """What is known now."""
        return [*ORDER[: self.here + 1], *self.left]

    @property
    def tried(self) -> list[Attempt]:
        """All failures; those at `here` before the last one were 503."""
        tried = []
        for location in ORDER[: self.here]:
            tried += [attempt(location, self.before)] * (1 if self.before == FORBIDDEN else 3)
        tried += [attempt(ORDER[self.here], 503)] * (self.made - 1)
        return [*tried, attempt(ORDER[self.here], self.status, self.asked)]


def attempt(location: Location, status: int | None, asked: float | None = None) -> Attempt:
    """A failure that came just now."""
    if status == FORBIDDEN:
        return Attempt(location.url, NOW, retry_after=asked, usable=False)
    return Attempt(location.url, NOW, status, asked)


def cases() -> Iterator[Case]:
    """Every combination."""
    places = [(0, FORBIDDEN, left) for left in ((), (STATIC,), (REGISTRY,), (STATIC, REGISTRY))]
    places += [(1, before, left) for before in (FORBIDDEN, 503) for left in ((), (REGISTRY,))]
    places += [(2, before, ()) for before in (FORBIDDEN, 503)]
    statuses = (*PASSING, *FINAL, FORBIDDEN)
    for method, status, made, place, queue, deadline, asked in itertools.product(
        METHODS, statuses, (1, 2, 3), places, (True, False), DEADLINES, ASKED
    ):
        yield Case(method, status, made, *place, queue, deadline, asked)


def at(seconds: float) -> datetime:
    """A moment, in seconds from now."""
    return NOW + timedelta(seconds=seconds)


def expected(case: Case) -> Move:
    """The table."""
    patience = {1: 0.5, 2: 1.0, 3: 2.0}[case.made] if case.asked is None else case.asked
    was_sent = case.status != FORBIDDEN or case.made > 1 or (case.here > 0 and case.before != FORBIDDEN)
    repeatable = case.method not in ("POST", "PATCH")
    if case.status in FINAL:
        return GiveUp(Reason.REFUSED, patience)
    if was_sent and not repeatable:
        return GiveUp(Reason.NOT_IDEMPOTENT, patience)

    again = case.status != FORBIDDEN and case.made < 3 and case.asked != 10.0 + TICK
    has_time_to_wait = case.deadline.endswith(("none", "after"))
    has_time_now = not case.deadline.endswith("now")
    if again and has_time_to_wait:
        return Retry(at(case.wait), ORDER[case.here])
    if case.left and has_time_now:
        following = case.left[0]
        return StaticFallback(NOW, following) if following is STATIC else RegistryLocation(NOW, following)

    if not was_sent and not case.left:
        return GiveUp(Reason.FORBIDDEN, patience)
    if case.queue and repeatable and case.bound != 0.0:
        return _queued(case)
    if case.queue or again or case.left:
        return GiveUp(Reason.OUT_OF_TIME, patience)
    return GiveUp(Reason.EXHAUSTED, patience)


def _queued(case: Case) -> Queue:
    """First after 15 s (half of 30, as chance is 0), unless the window ends before."""
    until = WINDOW if case.bound is None else min(WINDOW, case.bound)
    count = "1 attempt" if len(case.tried) == 1 else f"{len(case.tried)} attempts"
    what = {None: "gave no answer", FORBIDDEN: "cannot be called"}.get(case.status, f"answered {case.status}")
    return Queue(at(min(15.0, until)), at(until), f"After {count}, the last location {what}.")
