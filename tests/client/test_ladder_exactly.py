"""The ladder to the letter: stored words, and the corners that a walk down it seldom meets."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from choreo_client.ladder import (
    Attempt,
    GiveUp,
    Location,
    Policy,
    Queue,
    Reason,
    RegistryLocation,
    Retry,
    Rung,
    StaticFallback,
    next_move,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = Location("http://service.example/undo")
QUEUED = Policy(attempts=1, replay_window=86_400.0)

VALUES = [
    HERE,
    Attempt(HERE.url, NOW),
    Policy(),
    Retry(NOW, HERE),
    StaticFallback(NOW, HERE),
    RegistryLocation(NOW, HERE),
    Queue(NOW, NOW, ""),
    GiveUp(Reason.EXHAUSTED, 1.0),
]


def failed(*asked: float | None) -> list[Attempt]:
    """Attempts at the one location that were answered 503, each with this Retry-After."""
    return [Attempt(HERE.url, NOW, 503, seconds) for seconds in asked]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_it_is_told_and_what_it_says_never_changes(value: object) -> None:
    with pytest.raises(AttributeError):
        setattr(value, fields(value)[0].name, None)  # type: ignore[arg-type]  # each of VALUES is a dataclass
    assert not hasattr(value, "__dict__"), "a misspelt member must not be stored in silence"


def test_its_words_are_these() -> None:
    assert [str(rung) for rung in Rung] == ["given", "static", "registry"]
    words = ["refused", "not-idempotent", "forbidden", "no-location", "exhausted", "out-of-time"]
    assert [str(reason) for reason in Reason] == words


def test_a_location_with_more_attempts_than_it_may_have_has_no_further_one() -> None:
    """As when the policy has become stricter since, or an attempt was made twice."""
    move = next_move(Policy(attempts=2), [HERE], failed(None, None, None), method="PUT", began=NOW, now=NOW, rng=float)
    assert isinstance(move, GiveUp)
    assert move.reason is Reason.EXHAUSTED


@pytest.mark.parametrize("ago", [0, 1, 3600])
def test_nothing_is_queued_when_the_bound_is_now_or_over(ago: int) -> None:
    bound = NOW - timedelta(seconds=ago)
    move = next_move(QUEUED, [HERE], failed(None), method="PUT", began=NOW, now=NOW, rng=float, bound=bound)
    assert isinstance(move, GiveUp)
    assert move.reason is Reason.OUT_OF_TIME


@pytest.mark.parametrize(("asked", "seconds"), [((500.0, None), 15.0), ((None, 500.0), 500.0), ((500.0, 900.0), 900.0)])
def test_the_queue_waits_for_as_long_as_the_last_answer_asked(asked: tuple[float | None, ...], seconds: float) -> None:
    move = next_move(QUEUED, [HERE], failed(*asked), method="PUT", began=NOW, now=NOW, rng=float)
    assert isinstance(move, Queue)
    assert (move.at - NOW).total_seconds() == seconds


def test_operators_read_how_often_it_was_tried() -> None:
    once = next_move(QUEUED, [HERE], failed(None), method="PUT", began=NOW, now=NOW, rng=float)
    twice = next_move(QUEUED, [HERE], failed(None, None), method="PUT", began=NOW, now=NOW, rng=float)
    assert isinstance(once, Queue)
    assert isinstance(twice, Queue)
    assert once.reason == "After 1 attempt, the last location answered 503."
    assert twice.reason == "After 2 attempts, the last location answered 503."
