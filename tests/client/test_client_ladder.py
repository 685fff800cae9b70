"""The fallback plan, move by move."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from choreo_client.ladder import (
    DEFAULT_POLICY,
    ONE_ATTEMPT,
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

from tests.client import ladder_oracle
from tests.client.ladder_oracle import BEGAN, GIVEN, NOW, REGISTRY, STATIC, TICK, at, attempt, expected

ALL = [GIVEN, STATIC, REGISTRY]
DAY = 86_400.0


def move(
    tried: list[Attempt],
    locations: list[Location] | None = None,
    policy: Policy | None = None,
    *,
    method: str = "PUT",
    chance: float = 0.0,
    now: datetime = NOW,
    bound: datetime | None = None,
) -> Move:
    """The next move, of a PUT unless said otherwise, with chance at 0."""
    known = ALL if locations is None else locations
    return next_move(
        policy or Policy(), known, tried, method=method, began=BEGAN, now=now, rng=lambda: chance, bound=bound
    )


@pytest.mark.parametrize("method", ladder_oracle.METHODS)
def test_every_combination_is_as_the_table_says(method: str) -> None:
    moves: Counter[object] = Counter()
    for case in ladder_oracle.cases():
        if case.method != method:
            continue
        policy = Policy(total=case.total, replay_window=ladder_oracle.WINDOW if case.queue else 0.0)
        bound = None if case.bound is None else at(case.bound)
        answer = move(case.tried, case.locations, policy, method=method, bound=bound)
        assert answer == expected(case), case
        moves[answer.reason if isinstance(answer, GiveUp) else type(answer)] += 1
    repeats = (
        {Retry, Queue, Reason.EXHAUSTED} if method in ("GET", "HEAD", "PUT", "DELETE") else {Reason.NOT_IDEMPOTENT}
    )
    common = {StaticFallback, RegistryLocation, Reason.REFUSED, Reason.FORBIDDEN, Reason.OUT_OF_TIME}
    assert set(moves) == common | repeats


def test_the_first_move_is_the_first_location_at_once() -> None:
    assert move([]) == Retry(NOW, GIVEN)
    assert move([], [STATIC, REGISTRY]) == StaticFallback(NOW, STATIC)
    assert move([], [REGISTRY]) == RegistryLocation(NOW, REGISTRY)
    assert move([], method="POST") == Retry(NOW, GIVEN)


@pytest.mark.parametrize("window", [0.0, DAY])
def test_nowhere_to_go_is_not_worth_waiting_for(window: float) -> None:
    assert move([], [], Policy(replay_window=window)) == GiveUp(Reason.NO_LOCATION, 0.5)


def test_before_the_first_attempt_the_deadline_counts_too() -> None:
    assert move([], bound=at(TICK)) == Retry(NOW, GIVEN)
    assert move([], bound=NOW) == GiveUp(Reason.OUT_OF_TIME, 0.5)
    assert move([], policy=Policy(total=100.0)) == GiveUp(Reason.OUT_OF_TIME, 0.5)
    late = Policy(total=100.0, replay_window=DAY)
    assert move([], policy=late) == Queue(at(15), at(DAY), "There was no time for an attempt.")
    assert move([], policy=late, method="POST") == GiveUp(Reason.OUT_OF_TIME, 0.5)


@pytest.mark.parametrize(("made", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (7, 30.0)])
def test_waits_at_a_location(made: int, seconds: float) -> None:
    failures = [attempt(GIVEN, 503)] * made
    patient = Policy(attempts=made + 1)
    assert move(failures, policy=patient, chance=1.0) == Retry(at(seconds), GIVEN)
    assert move(failures, policy=patient) == Retry(at(seconds / 2), GIVEN)


def test_the_policys_waits() -> None:
    policy = Policy(attempts=4, first_delay=4.0, max_delay=12.0)
    waits = [move([attempt(GIVEN, 500)] * n, policy=policy, chance=1.0) for n in (1, 2, 3)]
    assert waits == [Retry(at(4), GIVEN), Retry(at(8), GIVEN), Retry(at(12), GIVEN)]


@pytest.mark.parametrize("attempts", [1, 2, 3, 4])
def test_attempts_are_counted_at_each_location(attempts: int) -> None:
    policy = Policy(attempts=attempts)
    given, static, registry = ([attempt(location, None)] * attempts for location in ALL)
    assert move(given, policy=policy) == StaticFallback(NOW, STATIC)
    assert move([*given, *static], policy=policy) == RegistryLocation(NOW, REGISTRY)
    assert move([*given, *static, *registry], policy=policy) == GiveUp(Reason.EXHAUSTED, 2.0 ** (attempts - 2))
    if attempts > 1:
        assert move([*given, *static, *registry[1:]], policy=policy) == Retry(at(2.0 ** (attempts - 3)), REGISTRY)


def test_waits_count_from_now_and_not_from_the_attempt() -> None:
    old = Attempt(GIVEN.url, NOW - timedelta(seconds=50), 503, 3.0)
    assert move([old]) == Retry(at(3), GIVEN)


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0.5), (0.4, 0.5), (0.6, 0.6), (10.0, 10.0)])
def test_the_longer_of_backoff_and_retry_after(asked: float, seconds: float) -> None:
    assert move([attempt(GIVEN, 503, asked)]) == Retry(at(seconds), GIVEN)


def test_who_asks_for_too_much_patience_loses_its_turn() -> None:
    asked = [attempt(GIVEN, 503, 10.0 + TICK)]
    assert move(asked) == StaticFallback(NOW, STATIC)
    assert move(asked, [GIVEN]) == GiveUp(Reason.EXHAUSTED, 10.0 + TICK)
    assert move(asked, [GIVEN], Policy(max_retry_after=11.0)) == Retry(at(10.0 + TICK), GIVEN)
    assert move([attempt(GIVEN, 503)], [GIVEN], Policy(max_retry_after=0.0)) == Retry(at(0.5), GIVEN)
    assert move([*asked, attempt(STATIC, 503)], [GIVEN, STATIC], Policy(attempts=1)) == GiveUp(Reason.EXHAUSTED, 0.5)


def test_a_location_that_would_be_late_gives_its_turn_to_one_that_would_not() -> None:
    assert move([attempt(GIVEN, 503)], bound=at(0.5)) == StaticFallback(NOW, STATIC)
    assert move([attempt(GIVEN, 503)], bound=at(0.5 + TICK)) == Retry(at(0.5), GIVEN)
    assert move([attempt(GIVEN, 503), attempt(STATIC, 503)], bound=at(0.2)) == RegistryLocation(NOW, REGISTRY)


def test_the_earlier_of_both_deadlines_counts() -> None:
    assert deadline_of(Policy(), BEGAN) is None
    assert deadline_of(Policy(), BEGAN, NOW) == NOW
    assert deadline_of(Policy(total=5.0), BEGAN) == BEGAN + timedelta(seconds=5)
    assert deadline_of(Policy(total=5.0), BEGAN, BEGAN) == BEGAN
    assert deadline_of(Policy(total=5.0), BEGAN, NOW) == BEGAN + timedelta(seconds=5)
    assert deadline_of(Policy(total=0.0), BEGAN) == BEGAN


def test_the_list_may_change_between_two_calls() -> None:
    new = Location("http://d.test", Rung.REGISTRY)
    given = [attempt(GIVEN, 503)] * 3
    gone = [*given, attempt(REGISTRY, 503)]
    assert move(gone, [GIVEN, new]) == RegistryLocation(NOW, new)
    assert move(gone, [GIVEN]) == GiveUp(Reason.EXHAUSTED, 0.5)
    assert move([*gone, attempt(new, 503)], [GIVEN, REGISTRY, new]) == Retry(at(0.5), new)
    assert move([*gone, *[attempt(new, 503)] * 3], [GIVEN, REGISTRY, new]) == GiveUp(Reason.EXHAUSTED, 2.0)
    assert move([attempt(GIVEN, 503)], [Location(GIVEN.url, Rung.STATIC), STATIC]) == Retry(
        at(0.5), Location(GIVEN.url, Rung.STATIC)
    )


def test_the_same_place_twice_in_the_list_has_one_turn() -> None:
    twice = [GIVEN, Location(GIVEN.url, Rung.STATIC), Location(GIVEN.url, Rung.REGISTRY)]
    assert move([attempt(GIVEN, 503)] * 2, twice) == Retry(at(1), GIVEN)
    assert move([attempt(GIVEN, 503)] * 3, twice) == GiveUp(Reason.EXHAUSTED, 2.0)


def test_what_cannot_be_called_is_out_at_once() -> None:
    barred = [attempt(location, ladder_oracle.FORBIDDEN) for location in ALL]
    assert move(barred[:1]) == StaticFallback(NOW, STATIC)
    assert move(barred[:1], method="POST") == StaticFallback(NOW, STATIC)
    assert move(barred, policy=Policy(replay_window=DAY)) == GiveUp(Reason.FORBIDDEN, 0.5)
    mixed = [*[attempt(GIVEN, 503)] * 3, *barred[1:]]
    assert move(mixed) == GiveUp(Reason.EXHAUSTED, 0.5)
    assert move(mixed, policy=Policy(replay_window=DAY)) == Queue(
        at(15), at(DAY), "After 5 attempts, the last location cannot be called."
    )


def test_the_queue_has_its_window_and_its_first_replay() -> None:
    failed = [attempt(GIVEN, 503)]
    for chance, window, bound, first, until in [
        (0.0, DAY, None, 15.0, DAY),
        (1.0, DAY, None, 30.0, DAY),
        (1.0, 240.0, None, 30.0, 240.0),
        (1.0, 80.0, None, 10.0, 80.0),
        (1.0, 4.0, None, 0.5, 4.0),
        (1.0, DAY, at(3600), 30.0, 3600.0),
        (1.0, 60.0, at(3600), 7.5, 60.0),
        (1.0, DAY, at(0.25), 0.25, 0.25),
    ]:
        policy = Policy(attempts=1, replay_window=window)
        answer = move(failed, [GIVEN], policy, chance=chance, bound=bound)
        assert answer == Queue(at(first), at(until), "After 1 attempt, the last location answered 503.")


@pytest.mark.parametrize("window", [TICK, 1.0, DAY])
def test_a_queue_without_time_is_not_the_same_as_no_queue(window: float) -> None:
    failed, once = [attempt(GIVEN, 503)], Policy(attempts=1)
    assert move(failed, [GIVEN], once, bound=NOW) == GiveUp(Reason.EXHAUSTED, 0.5)
    assert move(failed, [GIVEN], replace(once, replay_window=window), bound=NOW) == GiveUp(Reason.OUT_OF_TIME, 0.5)


@pytest.mark.parametrize(("asked", "first"), [(29.0, 30.0), (31.0, 31.0), (3599.0, 3599.0), (1e12, 3600.0)])
def test_what_is_queued_is_not_replayed_sooner_than_asked(asked: float, first: float) -> None:
    policy = Policy(attempts=1, replay_window=3600.0)
    answer = move([attempt(GIVEN, 503, asked)], [GIVEN], policy, chance=1.0)
    assert answer == Queue(at(first), at(3600), "After 1 attempt, the last location answered 503.")


def test_the_slow_schedule() -> None:
    policy, until = Policy(replay_window=DAY), at(DAY)
    for chance in (0.0, 1.0):
        waits = [replay_at(policy, n, now=NOW, until=until, rng=lambda: chance) for n in (0, 1, 2, 3, 4, 5, 6, 2000)]  # noqa: B023 - called at once
        seconds = [30, 60, 120, 240, 480, 900, 900, 900]
        assert waits == [at(wait * (1 + chance) / 2) for wait in seconds]


def test_the_slow_schedule_is_the_policys() -> None:
    policy = Policy(replay_window=DAY, replay_first=1.0, replay_longest=3.0)
    waits = [replay_at(policy, n, now=NOW, until=at(DAY), rng=lambda: 1.0) for n in (0, 1, 2)]
    assert waits == [at(1), at(2), at(3)]


@pytest.mark.parametrize(
    ("left", "asked", "seconds"),
    [
        (30.0 + TICK, None, 30.0),
        (30.0, None, 30.0),
        (30.0 - TICK, None, 30.0 - TICK),
        (100.0, 30.0, 30.0),
        (100.0, 99.0, 99.0),
        (100.0, 1e300, 100.0),
        (0.0, None, 0.0),
        (-5.0, 7.0, -5.0),
    ],
)
def test_the_last_replay_is_at_the_end_exactly(left: float, asked: float | None, seconds: float) -> None:
    policy = Policy(replay_window=DAY)
    assert replay_at(policy, 0, now=NOW, until=at(left), rng=lambda: 1.0, retry_after=asked) == at(seconds)


@pytest.mark.parametrize(
    "bad",
    [
        {"attempts": 0},
        {"first_delay": -1.0},
        {"max_delay": -TICK},
        {"max_retry_after": float("nan")},
        {"total": -1.0},
        {"replay_window": float("inf")},
        {"replay_first": -1.0},
        {"replay_longest": -1.0},
    ],
)
def test_a_policy_must_make_sense(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        replace(Policy(), **bad)  # type: ignore[arg-type]


def test_the_defaults_are_the_patterns() -> None:
    assert Policy() == Policy(3, 1.0, 30.0, 10.0, None, 0.0, 30.0, 900.0)
    assert (Policy(), Policy(attempts=1)) == (DEFAULT_POLICY, ONE_ATTEMPT)
    zeros = Policy(1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert move([attempt(GIVEN, 503)], [GIVEN], zeros) == GiveUp(Reason.EXHAUSTED, 0.0)
