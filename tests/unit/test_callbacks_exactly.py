"""What follows from an answer, to the letter: stored words, bounds, and what counts as a failure where."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from choreo_client.ladder import Attempt, Location, Rung

from jobs.domain import callbacks
from jobs.domain.callbacks import (
    Answer,
    AnswerKind,
    Enqueue,
    Outcome,
    Past,
    Retry,
    Round,
    Settle,
    Wait,
    next_location,
    next_step,
    poll_location,
    tried,
)

K = AnswerKind
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
DAY = 86400.0
PUT, POLL, SPARE = "http://service.example/undo", "http://service.example/outcome", "http://a.example/undo"
GIVEN = Location(PUT)

VALUES = [
    Answer(K.DONE),
    Past(PUT, NOW, K.DONE),
    Wait(NOW, 0),
    Round(NOW, (GIVEN,), [], DAY),
    Retry(NOW),
    Enqueue(NOW, NOW),
    Settle(True, Outcome.DONE),
]


def answered(
    kind: AnswerKind,
    past: list[Past],
    *,
    polled: bool = False,
    now: datetime = NOW,
    wait: Wait | None = None,
    asked: float | None = None,
    chance: float = 0.0,
) -> Retry | Enqueue | Settle:
    """What follows from this answer at the given URL, or at what is polled, after this past."""
    fresh = Past(POLL if polled else PUT, now, kind, None, asked, polled)
    before = Round(NOW, (GIVEN,), past, DAY, wait)
    answer = Answer(kind, retry_after=asked)
    return next_step(before, fresh, answer, poll_url=POLL if polled else "", now=now, rng=lambda: chance)


def waits(result: Retry | Enqueue | Settle) -> float:
    """Seconds until the next attempt."""
    assert not isinstance(result, Settle)
    return (result.at - NOW).total_seconds()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_facts_never_change(value: object) -> None:
    """They are shared between the decisions about one call; a change would rewrite what was decided on."""
    name = fields(value)[0].name  # type: ignore[arg-type]  # each of VALUES is a dataclass
    with pytest.raises(AttributeError):
        setattr(value, name, None)


def test_outcomes_and_kinds_are_stored_under_these_words() -> None:
    assert {str(each) for each in Outcome} == {
        "done",
        "nothing-to-undo",
        "needless",
        "refused",
        "blocked",
        "no-url",
        "gave-up",
        "still-under-way",
    }
    words = {"done", "nothing-to-undo", "under-way", "refused", "transient", "blocked"}
    assert {str(each) for each in K} == words
    assert callbacks.AnswerKind("transient") is K.TRANSIENT


def test_an_attempt_is_a_put_unless_it_says_that_it_polled() -> None:
    assert not Past(PUT, NOW, K.DONE).polled


def test_a_poll_that_fails_counts_where_its_202_came_from() -> None:
    history = [Past(PUT, NOW, K.UNDER_WAY), Past(POLL, LATER, K.TRANSIENT, 503, polled=True)]
    assert tried(history) == [Attempt(PUT, LATER, 503)]


def test_a_poll_without_a_put_before_it_counts_nowhere_known() -> None:
    assert tried([Past(POLL, NOW, K.TRANSIENT, polled=True)]) == [Attempt("", NOW)]


@pytest.mark.parametrize("other", [SPARE, "http://z.example/undo"])
def test_being_at_work_takes_back_the_silences_of_that_location_alone(other: str) -> None:
    history = [Past(other, NOW, K.TRANSIENT), Past(PUT, NOW, K.TRANSIENT), Past(PUT, NOW, K.UNDER_WAY)]
    assert tried(history) == [Attempt(other, NOW)]


def test_a_promise_that_is_gone_is_not_taken_back_by_another_promise() -> None:
    lost = [Past(PUT, NOW, K.UNDER_WAY), Past(POLL, NOW, K.NOTHING, 404, polled=True), Past(PUT, NOW, K.UNDER_WAY)]
    assert len(tried(lost)) == 1


@pytest.mark.parametrize("kind", [K.DONE, K.REFUSED, K.UNDER_WAY])
@pytest.mark.parametrize("polled", [True, False])
def test_a_sensible_answer_is_no_failure(kind: AnswerKind, polled: bool) -> None:
    assert tried([Past(PUT, NOW, kind, polled=polled)]) == []


def test_nothing_to_undo_is_no_failure_of_a_put() -> None:
    assert tried([Past(PUT, NOW, K.NOTHING)]) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_outcome_may_be_polled_over_http_and_https(scheme: str) -> None:
    assert poll_location(PUT, f"{scheme}://other.example/x") == f"{scheme}://other.example/x"


def test_a_location_has_2000_characters_at_most() -> None:
    longest = "http://other.example/".ljust(2000, "x")
    assert poll_location(PUT, longest) == longest
    assert poll_location(PUT, longest + "x") == ""


@pytest.mark.parametrize("late", [0, 1, 3600])
def test_at_the_end_of_its_window_or_after_it_a_queued_call_is_given_up(late: int) -> None:
    now = NOW + timedelta(seconds=late)
    assert answered(K.TRANSIENT, [], now=now, wait=Wait(NOW, 1)) == Settle(False, Outcome.GAVE_UP)
    again = datetime.fromisoformat(NOW.isoformat())
    assert answered(K.TRANSIENT, [], wait=Wait(again, 1)) == Settle(False, Outcome.GAVE_UP)


@pytest.mark.parametrize(("replays", "seconds"), [(0, 30.0), (1, 60.0), (2, 120.0), (3, 240.0), (9, 450.0)])
def test_each_replay_in_vain_doubles_the_wait_up_to_a_quarter_of_an_hour(replays: int, seconds: float) -> None:
    assert waits(answered(K.TRANSIENT, [], wait=Wait(NOW + timedelta(days=1), replays))) == seconds


@pytest.mark.parametrize("late", [0, 1, 3600])
def test_at_the_end_of_patience_or_after_it_a_promise_is_not_believed_any_more(late: int) -> None:
    now = NOW + timedelta(seconds=DAY + late)
    assert answered(K.UNDER_WAY, [], now=now) == Settle(False, Outcome.STILL_UNDER_WAY)
    assert answered(K.UNDER_WAY, [], now=NOW, wait=Wait(NOW, 0)) == Settle(False, Outcome.STILL_UNDER_WAY)


@pytest.mark.parametrize(
    ("polls", "full"), [(1, 2.0), (2, 3.0), (3, 4.5), (8, 2 * 1.5**7), (9, 2 * 1.5**8), (10, 60.0), (500, 60.0)]
)
def test_polls_come_at_waits_that_grow_by_half_up_to_a_minute(polls: int, full: float) -> None:
    before = [Past(PUT, NOW, K.UNDER_WAY)] * (polls - 1)
    assert waits(answered(K.UNDER_WAY, before)) == pytest.approx(full / 2)
    assert waits(answered(K.UNDER_WAY, before, chance=1.0)) == pytest.approx(full)
    assert waits(answered(K.UNDER_WAY, before, chance=0.5)) == pytest.approx(full * 0.75)


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 1.0), (1.5, 1.5), (300.0, 300.0), (301.0, 300.0), (1e9, 300.0)])
def test_a_service_at_work_may_ask_for_five_minutes_at_most(asked: float, seconds: float) -> None:
    assert waits(answered(K.UNDER_WAY, [], asked=asked)) == seconds


def test_a_call_without_a_location_left_is_queued_for_the_least_wait() -> None:
    """As when its fallback was taken away between two attempts: what failed may recover."""
    before = Round(NOW, (), [Past(PUT, NOW, K.TRANSIENT)], DAY)
    assert next_location(before, NOW) == Enqueue(NOW + timedelta(seconds=15), NOW + timedelta(days=1))
    replayed = Round(NOW, (), [Past(PUT, NOW, K.TRANSIENT)], DAY, Wait(NOW + timedelta(days=1), 1))
    assert next_location(replayed, NOW) == Enqueue(NOW + timedelta(seconds=60), NOW + timedelta(days=1))


def test_a_location_of_the_registry_has_its_turn_at_once() -> None:
    leased = Location(SPARE, Rung.REGISTRY)
    before = Round(NOW, (GIVEN, leased), [Past(PUT, NOW, K.TRANSIENT)] * 3, DAY)
    assert next_location(before, NOW) == leased
