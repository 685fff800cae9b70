"""The fallback plan of cancel and revert calls, without a database or a network."""

import random
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.callbacks import (
    LONGEST_POLL,
    LONGEST_RETRY_AFTER,
    MAX_TRIES,
    Answer,
    AnswerKind,
    Outcome,
    Retry,
    Settle,
    Standing,
    classify,
    fallback_location,
    next_step,
    poll_location,
    retry_after,
    standing,
)

K = AnswerKind
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = timedelta(hours=24)
POLL = "http://service.example/outcome"


def step(
    before: Standing,
    answer: Answer | AnswerKind,
    *,
    poll_url: str = "",
    locations: int = 1,
    now: datetime = NOW,
    give_up_at: datetime = NOW + WINDOW,
    seed: int = 1,
) -> Retry | Settle:
    answer = answer if isinstance(answer, Answer) else Answer(answer)
    rng = random.Random(seed)
    return next_step(before, answer, poll_url=poll_url, locations=locations, now=now, give_up_at=give_up_at, rng=rng)


def retry(*args: object, **kwargs: object) -> Retry:
    result = step(*args, **kwargs)  # type: ignore[arg-type]  # the arguments of step
    assert isinstance(result, Retry)
    return result


def expected_kind(code: int) -> AnswerKind:
    """The contract's table, in its own order."""
    if code == 202:
        return K.UNDER_WAY
    if code // 100 == 2:
        return K.DONE
    if code in (404, 410):
        return K.NOTHING
    if code in (408, 425, 429) or code // 100 in (1, 5):
        return K.TRANSIENT
    return K.REFUSED


@pytest.mark.parametrize("code", [*range(100, 600), 600, 999])
def test_every_status_means_what_the_contract_says(code: int) -> None:
    assert classify(code) is (K.TRANSIENT if code >= 600 else expected_kind(code))


def test_every_named_status_has_a_meaning() -> None:
    assert {classify(status) for status in HTTPStatus} == {K.DONE, K.NOTHING, K.UNDER_WAY, K.REFUSED, K.TRANSIENT}


@pytest.mark.parametrize(
    ("kind", "poll_url", "settled"),
    [
        (K.DONE, "", Settle(True, Outcome.DONE)),
        (K.DONE, POLL, Settle(True, Outcome.DONE)),
        (K.NOTHING, "", Settle(True, Outcome.NOTHING_TO_UNDO)),
        (K.REFUSED, "", Settle(False, Outcome.REFUSED)),
        (K.REFUSED, POLL, Settle(False, Outcome.REFUSED)),
    ],
)
@pytest.mark.parametrize("before", [Standing(), Standing(0, 2), Standing(1, 1, 1, 5)])
def test_an_answer_that_settles_does_so_wherever_the_round_stands(
    kind: AnswerKind, poll_url: str, settled: Settle, before: Standing
) -> None:
    assert step(before, kind, poll_url=poll_url, locations=3) == settled


@pytest.mark.parametrize("seed", range(20))
def test_three_attempts_about_one_and_two_seconds_apart(seed: int) -> None:
    first = retry(Standing(), K.TRANSIENT, seed=seed)
    second = retry(Standing(silent=1), K.TRANSIENT, seed=seed)
    assert 0.5 <= (first.at - NOW).total_seconds() <= 1
    assert 1 <= (second.at - NOW).total_seconds() <= 2
    assert step(Standing(silent=2), K.TRANSIENT, seed=seed) == Settle(False, Outcome.GAVE_UP)


def test_the_jitter_spreads_over_half_of_the_wait() -> None:
    waits = {(retry(Standing(), K.TRANSIENT, seed=seed).at - NOW).total_seconds() for seed in range(200)}
    assert min(waits) < 0.55
    assert max(waits) > 0.95


def test_after_the_third_failure_the_next_location_has_its_turn_at_once() -> None:
    assert step(Standing(silent=2), K.TRANSIENT, locations=2) == Retry(NOW, 1)
    assert step(Standing(1, silent=2), K.TRANSIENT, locations=2) == Settle(False, Outcome.GAVE_UP)


def test_what_cannot_be_called_is_not_tried_again_but_the_fallback_is() -> None:
    assert step(Standing(), K.BLOCKED, locations=2) == Retry(NOW, 1)
    assert step(Standing(1), K.BLOCKED, locations=2) == Settle(False, Outcome.BLOCKED)


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(0.0, 0.5, 1.0), (7.0, 7.0, 7.0), (86400.0, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER)]
)
def test_retry_after_is_honoured_within_reason(asked: float, least: float, most: float) -> None:
    wait = (retry(Standing(), Answer(K.TRANSIENT, retry_after=asked)).at - NOW).total_seconds()
    assert least <= wait <= most


def test_a_202_is_polled_where_it_says_at_growing_intervals() -> None:
    before, waits, url = Standing(), [], ""
    for _ in range(15):
        answer = Answer(K.UNDER_WAY, location=POLL if not url else "")
        polled = retry(before, answer, poll_url=url)
        waits.append((polled.at - NOW).total_seconds())
        before, url = before.after(K.UNDER_WAY), polled.poll_url
        assert url == POLL
    assert 1 <= waits[0] <= 2
    assert LONGEST_POLL / 2 <= waits[-1] <= LONGEST_POLL
    assert waits[4] > waits[0]
    assert waits[9] > waits[4]


def test_a_202_without_a_location_repeats_the_put() -> None:
    assert retry(Standing(), K.UNDER_WAY).poll_url == ""


def test_a_202_may_move_the_outcome_elsewhere() -> None:
    assert retry(Standing(polls=1), Answer(K.UNDER_WAY, location=POLL + "2"), poll_url=POLL).poll_url == POLL + "2"


def test_a_202_is_believed_until_the_end_of_the_window_and_looked_at_once_more_then() -> None:
    end = NOW + timedelta(seconds=1)
    assert retry(Standing(polls=30), K.UNDER_WAY, poll_url=POLL, give_up_at=end) == Retry(end, 0, POLL)
    assert step(Standing(polls=31), K.UNDER_WAY, poll_url=POLL, now=end, give_up_at=end) == Settle(
        False, Outcome.STILL_UNDER_WAY
    )


def test_a_poll_that_fails_is_polled_again_and_does_not_forget_the_place() -> None:
    assert retry(Standing(polls=1), K.TRANSIENT, poll_url=POLL).poll_url == POLL


def test_an_outcome_that_is_gone_is_asked_for_by_put_and_only_so_often() -> None:
    assert retry(Standing(polls=1), K.NOTHING, poll_url=POLL).poll_url == ""
    past = [K.UNDER_WAY, K.NOTHING] * (MAX_TRIES - 1) + [K.UNDER_WAY]
    assert step(standing(past), K.NOTHING, poll_url=POLL) == Settle(False, Outcome.GAVE_UP)


def test_a_service_that_is_at_work_has_its_attempts_again() -> None:
    before = standing([K.TRANSIENT, K.TRANSIENT, K.UNDER_WAY])
    assert isinstance(step(before, K.TRANSIENT, poll_url=POLL), Retry)


ENDING = st.sampled_from([K.DONE, K.REFUSED, K.TRANSIENT, K.UNDER_WAY, K.NOTHING, K.BLOCKED])


@given(
    kinds=st.lists(st.sampled_from(list(K)), max_size=60),
    forever=ENDING,
    locations=st.integers(1, 4),
    window=st.integers(1, 7200),
    seed=st.integers(0, 2**16),
    location=st.sampled_from(["", POLL]),
    asked=st.sampled_from([None, 0.0, 5.0, 1e9]),
)
def test_every_round_ends_and_never_goes_back(
    kinds: list[AnswerKind],
    forever: AnswerKind,
    locations: int,
    window: int,
    seed: int,
    location: str,
    asked: float | None,
) -> None:
    """Whatever a service answers: time goes on, locations are not revisited, each gets three failures at most, and
    the call is settled, at the latest some attempts after the window."""
    rng, now, url, before = random.Random(seed), NOW, "", Standing()
    give_up_at = NOW + timedelta(seconds=window)
    failures = dict.fromkeys(range(locations), 0)
    for number in range(3 * 7200):
        kind = kinds[number] if number < len(kinds) else forever
        assert before.location < locations
        failures[before.location] = 0 if kind is K.UNDER_WAY else failures[before.location] + (kind is K.TRANSIENT)
        assert failures[before.location] <= MAX_TRIES
        answer = Answer(kind, retry_after=asked, location=location if kind is K.UNDER_WAY else "")
        result = next_step(before, answer, poll_url=url, locations=locations, now=now, give_up_at=give_up_at, rng=rng)
        if isinstance(result, Settle):
            assert result.done is (kind is K.DONE or (kind is K.NOTHING and not url))
            return
        assert kind not in {K.DONE, K.REFUSED}
        assert result.at >= now
        assert result.location == before.after(kind).location >= before.location
        assert result.at - now <= timedelta(seconds=max(LONGEST_RETRY_AFTER, LONGEST_POLL))
        before, now, url = before.after(kind), result.at, result.poll_url
        slack = timedelta(seconds=LONGEST_RETRY_AFTER) * (MAX_TRIES * locations + 60)
        assert now <= give_up_at + slack
    raise AssertionError("the round does not end")


@given(st.lists(st.sampled_from(list(K)), max_size=50))
def test_transient_failures_alone_are_three_a_location(past: list[AnswerKind]) -> None:
    failures = [kind for kind in past if kind is K.TRANSIENT]
    assert standing(failures).location == len(failures) // MAX_TRIES


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("99999999999999999999", 999999999.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]\d{1,6}"))
def test_no_retry_after_breaks_anything(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("https://other.example/x?y=1", "https://other.example/x?y=1"),
        ("/outcome/7", "https://service.example:8443/outcome/7"),
        ("outcome#part", "https://service.example:8443/undo/outcome"),
        ("?again", "https://service.example:8443/undo/task?again"),
        ("//other.example/x", "https://other.example/x"),
        ("", ""),
        ("  ", ""),
        ("ftp://other.example/x", ""),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
        ("http:///nowhere", ""),
        ("/" + "x" * 2001, ""),
    ],
)
def test_a_location_is_resolved_against_the_url_that_answered(location: str, absolute: str) -> None:
    assert poll_location("https://service.example:8443/undo/task", location) == absolute


@given(st.text(max_size=100))
def test_no_location_breaks_anything(location: str) -> None:
    found = poll_location("https://service.example/undo", location)
    assert found == "" or found.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("fallback", "called"),
    [
        ("https://spare.example", "https://spare.example/undo/7?force=1"),
        ("https://spare.example:8443/", "https://spare.example:8443/undo/7?force=1"),
        ("https://spare.example/catch-all", "https://spare.example/catch-all"),
        ("https://spare.example/?all", "https://spare.example/?all"),
    ],
)
def test_a_fallback_without_a_path_takes_the_place_of_the_origin(fallback: str, called: str) -> None:
    assert fallback_location("http://service.example:9000/undo/7?force=1", fallback) == called


def test_a_given_url_without_a_path_gives_the_root() -> None:
    assert fallback_location("http://service.example", "https://spare.example") == "https://spare.example/"
