"""Whole walks down the ladder, from the first move to the last, whatever the locations do meanwhile."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from choreo_client.fallback import Rng
from choreo_client.ladder import (
    Attempt,
    GiveUp,
    Location,
    Move,
    Policy,
    Queue,
    Reason,
    RegistryLocation,
    Retry,
    Rung,
    StaticFallback,
    deadline_of,
    next_move,
    replay_at,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.client.ladder_oracle import FORBIDDEN, NOW, attempt

PASSING = [None, 500, 503, 408, 425, 429]
GIVEN = Location("http://given.test")
OTHERS = [Location(f"http://{rung}{n}.test", rung) for rung in (Rung.STATIC, Rung.REGISTRY) for n in range(3)]
CLIMB = {Rung.GIVEN: 0, Rung.STATIC: 1, Rung.REGISTRY: 2}

locations = st.lists(st.sampled_from(OTHERS), unique=True, max_size=5).map(
    lambda found: [GIVEN, *sorted(found, key=lambda location: CLIMB[location.rung])]
)
waits = st.none() | st.floats(0, 40)
failures = st.tuples(st.sampled_from([*PASSING, FORBIDDEN]), waits, st.floats(0, 6))
anything = st.tuples(st.sampled_from([*PASSING, FORBIDDEN, 302, 404, 409]), waits, st.floats(0, 6))
chances = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=9)
policies = st.builds(
    Policy,
    attempts=st.integers(1, 4),
    first_delay=st.floats(0, 3),
    max_delay=st.floats(0, 9),
    max_retry_after=st.floats(0, 20),
    total=st.none() | st.floats(0, 60),
    replay_window=st.just(0.0) | st.floats(0.001, 1e5),
)
bounds = st.none() | st.floats(-1, 90).map(lambda seconds: NOW + timedelta(seconds=seconds))
idempotent = st.sampled_from(["GET", "HEAD", "PUT", "DELETE"])
methods = idempotent | st.sampled_from(["POST", "PATCH", "OPTIONS", "put"])


def taking_turns(values: Sequence[float]) -> Rng:
    """Chance, told beforehand."""
    turn = iter(range(10**9))
    return lambda: values[next(turn) % len(values)]


@dataclass
class Walk:
    """A walk to its end. Each call fails as the script says (the last line for ever) and takes its seconds."""

    policy: Policy
    known: list[Location]
    script: list[tuple[int | None, float | None, float]]
    chance: list[float] = field(default_factory=lambda: [0.5])
    bound: datetime | None = None
    method: str = "PUT"
    change: Callable[[int], list[Location]] | None = None
    calls: list[tuple[datetime, Location]] = field(default_factory=list)
    tried: list[Attempt] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def run(self) -> Queue | GiveUp:
        """Do what the ladder says until it says that it is over."""
        rng, now = taking_turns(self.chance), NOW
        for number in range(1000):
            known = self.change(number) if self.change else self.known
            move = self.ask(known, now, rng)
            self.moves.append(move)
            if isinstance(move, Queue | GiveUp):
                return move
            assert move.at >= now
            status, asked, seconds = self.script[min(number, len(self.script) - 1)]
            self.calls.append((move.at, move.location))
            now = move.at + timedelta(seconds=seconds)
            failed = attempt(move.location, status, asked)
            self.tried.append(Attempt(failed.url, now, failed.status, failed.retry_after, failed.usable))
        raise AssertionError("it never ends")

    def ask(self, known: list[Location], now: datetime, rng: Rng) -> Move:
        """The ladder's word, on the failures so far."""
        return next_move(
            self.policy, known, self.tried, method=self.method, began=NOW, now=now, rng=rng, bound=self.bound
        )


walks = st.builds(
    Walk,
    policy=policies,
    known=locations,
    script=st.lists(anything, min_size=1, max_size=9),
    chance=chances,
    bound=bounds,
    method=methods,
)


@given(walks)
def test_never_more_attempts_at_a_location_than_the_policy_has(walk: Walk) -> None:
    walk.run()
    assert all(count <= walk.policy.attempts for count in Counter(location.url for _, location in walk.calls).values())


@given(walks)
def test_nothing_is_called_at_or_after_a_deadline(walk: Walk) -> None:
    walk.run()
    deadline = deadline_of(walk.policy, NOW, walk.bound)
    assert deadline is None or all(at < deadline for at, _ in walk.calls)


@given(walks)
def test_the_queue_is_bound_too(walk: Walk) -> None:
    end = walk.run()
    if isinstance(end, Queue):
        assert walk.policy.replay_window > 0
        assert walk.method in ("GET", "HEAD", "PUT", "DELETE")
        now = walk.tried[-1].at if walk.tried else NOW
        window_ends = now + timedelta(seconds=walk.policy.replay_window)
        assert end.until == (window_ends if walk.bound is None else min(window_ends, walk.bound))
        assert now < end.until
        asked = timedelta(seconds=walk.tried[-1].retry_after or 0.0) if walk.tried else timedelta()
        assert min(now + asked, end.until) <= end.at <= end.until


@given(walks)
def test_no_location_is_asked_again_sooner_than_it_asked(walk: Walk) -> None:
    walk.run()
    for failure, (at, location) in zip(walk.tried, walk.calls[1:], strict=False):
        if location.url == failure.url:
            assert at >= failure.at + timedelta(seconds=failure.retry_after or 0.0)
            assert (failure.retry_after or 0.0) <= walk.policy.max_retry_after


@given(walks)
def test_what_is_not_idempotent_is_never_sent_twice(walk: Walk) -> None:
    end = walk.run()
    if walk.method not in ("GET", "HEAD", "PUT", "DELETE"):
        assert sum(failure.usable for failure in walk.tried) <= 1
        assert isinstance(end, GiveUp)


@given(walks)
def test_a_final_answer_is_the_end(walk: Walk) -> None:
    end = walk.run()
    final = [failure.status for failure in walk.tried if failure.usable and failure.status in (302, 404, 409)]
    assert final in ([], [walk.tried[-1].status if walk.tried else None])
    assert (len(final) == 1) == (isinstance(end, GiveUp) and end.reason is Reason.REFUSED)


@given(walks)
def test_the_rungs_are_climbed_in_order_and_each_location_has_one_turn(walk: Walk) -> None:
    walk.run()
    turns = [location.url for n, (_, location) in enumerate(walk.calls) if n == 0 or walk.calls[n - 1][1] != location]
    assert len(turns) == len(set(turns))
    order = [location.url for location in walk.known]
    assert turns == order[: len(turns)]  # no rung is left out either
    for before, move in zip([None, *walk.calls], walk.moves, strict=False):
        if isinstance(move, StaticFallback | RegistryLocation):
            assert before is None or before[1] != move.location
            assert move.location.rung is (Rung.STATIC if isinstance(move, StaticFallback) else Rung.REGISTRY)
        elif isinstance(move, Retry):
            assert move.location == (before[1] if before else GIVEN)


@given(walks)
def test_nothing_is_left_untried_when_it_is_given_up_as_exhausted(walk: Walk) -> None:
    end = walk.run()
    if isinstance(end, GiveUp) and end.reason in (Reason.EXHAUSTED, Reason.FORBIDDEN):
        assert {location.url for _, location in walk.calls} == {location.url for location in walk.known}
        callable_at_all = any(failure.usable for failure in walk.tried)
        assert (end.reason is Reason.FORBIDDEN) == (not callable_at_all)
    if isinstance(end, GiveUp):
        assert end.retry_after >= 0


@given(walks)
def test_the_same_failures_have_the_same_answer_in_another_process(walk: Walk) -> None:
    walk.run()
    for n in range(len(walk.tried) + 1):
        now = walk.tried[n - 1].at if n else NOW
        twins = [Walk(walk.policy, walk.known, walk.script, bound=walk.bound, method=walk.method) for _ in range(2)]
        for twin in twins:
            twin.tried = [Attempt(f.url, f.at, f.status, f.retry_after, f.usable) for f in walk.tried[:n]]
        first, second = (twin.ask(walk.known, now, lambda: 0.25) for twin in twins)
        assert first == second
        assert type(first) is type(walk.moves[n]) or deadline_of(walk.policy, NOW, walk.bound) is not None


@given(walks, st.lists(st.sampled_from(OTHERS), unique=True, max_size=3))
def test_more_locations_take_no_attempt_from_the_ones_before(walk: Walk, more: list[Location]) -> None:
    added = [location for location in more if location.rung is Rung.REGISTRY and location not in walk.known]
    longer = Walk(walk.policy, [*walk.known, *added], walk.script, walk.chance, walk.bound, walk.method)
    walk.run()
    longer.run()
    assert longer.calls[: len(walk.calls)] == walk.calls


@given(walks, st.lists(locations, min_size=1, max_size=9))
def test_it_ends_however_leases_come_and_go(walk: Walk, lists: list[list[Location]]) -> None:
    walk.change = lambda number: lists[number % len(lists)]
    walk.run()
    known = {location.url for each in lists for location in each}
    assert all(count <= walk.policy.attempts for count in Counter(location.url for _, location in walk.calls).values())
    assert {location.url for _, location in walk.calls} <= known


@given(st.integers(1, 4), locations, st.lists(failures, min_size=1, max_size=9))
def test_without_a_deadline_every_location_has_all_its_attempts(
    attempts: int, known: list[Location], script: list[tuple[int | None, float | None, float]]
) -> None:
    assume(all(status != FORBIDDEN for status, _, _ in script))
    walk = Walk(Policy(attempts=attempts, max_retry_after=40.0), known, script)
    assert isinstance(walk.run(), GiveUp)
    assert [location for _, location in walk.calls] == [location for location in known for _ in range(attempts)]


@given(
    st.floats(0.01, 1e6), st.integers(0, 10**6), st.none() | st.floats(0, 1e15), st.floats(0, 1), st.floats(-10, 1e6)
)
def test_a_replay_is_never_late_and_never_too_soon(
    window: float, replays: int, asked: float | None, chance: float, left: float
) -> None:
    until = NOW + timedelta(seconds=left)
    at = replay_at(Policy(replay_window=window), replays, now=NOW, until=until, rng=lambda: chance, retry_after=asked)
    assert at <= until
    if at < until:
        wait = (at - NOW).total_seconds()
        first = min(30.0, window / 8)
        assert wait >= max(min(first / 2, 450.0), asked or 0.0) - 1e-6
        assert wait <= max(900.0, asked or 0.0) + 1e-6


@given(st.floats(1, 1e5), chances)
def test_replays_reach_the_end_of_the_window_and_stop_there(window: float, chance: list[float]) -> None:
    until, now, replays = NOW + timedelta(seconds=window), NOW, 0
    rng = taking_turns(chance)
    while now < until:
        now = replay_at(Policy(replay_window=window), replays, now=now, until=until, rng=rng)
        replays += 1
    assert now == until
    assert replays <= 16 + window / 450
