"""The fallback plan of cancel and revert calls, without a database or a network."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from choreo_client.ladder import Location, Rung
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.callbacks import (
    LONGEST_POLL,
    LONGEST_POLL_WAIT,
    Answer,
    AnswerKind,
    Enqueue,
    Outcome,
    Past,
    Retry,
    Round,
    Settle,
    Wait,
    classify,
    locations,
    next_location,
    next_step,
    poll_location,
    tried,
)

K = AnswerKind
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = 86400.0
POLL = "http://service.example/outcome"
GIVEN = Location("http://service.example/undo")
SPARE = Location("http://spare.example/undo", Rung.STATIC)
LEASED = Location("http://leased.example/undo", Rung.REGISTRY)


def past(*kinds: AnswerKind, at: Location = GIVEN, polled: bool = False, asked: float | None = None) -> list[Past]:
    """Attempts at one location that came to these ends."""
    return [Past(at.url, NOW, kind, retry_after=asked, polled=polled) for kind in kinds]


def round_of(before: list[Past], *places: Location, window: float = DAY, wait: Wait | None = None) -> Round:
    return Round(NOW, places or (GIVEN,), before, window, wait)


def step(
    before: Round | list[Past],
    answer: Answer | AnswerKind,
    *,
    at: Location = GIVEN,
    poll_url: str = "",
    now: datetime = NOW,
    chance: float = 0.5,
) -> Retry | Enqueue | Settle:
    """What follows from this answer, which came from this location or from what is polled."""
    before = before if isinstance(before, Round) else round_of(before)
    answer = answer if isinstance(answer, Answer) else Answer(answer)
    polled = bool(poll_url)
    fresh = Past(poll_url or at.url, now, answer.kind, answer.status_code, answer.retry_after, polled)
    return next_step(before, fresh, answer, poll_url=poll_url, now=now, rng=lambda: chance)


def retry(*args: object, **kwargs: object) -> Retry:
    result = step(*args, **kwargs)  # type: ignore[arg-type]  # the arguments of step
    assert isinstance(result, Retry)
    return result


def seconds(result: Retry | Enqueue | Settle) -> float:
    assert not isinstance(result, Settle)
    return (result.at - NOW).total_seconds()


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


@pytest.mark.parametrize("kind", list(K))
def test_a_service_that_answers_is_at_work(kind: AnswerKind) -> None:
    assert kind.from_service is (kind not in {K.TRANSIENT, K.BLOCKED})


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
@pytest.mark.parametrize("wait", [None, Wait(NOW, 0), Wait(NOW + timedelta(days=1), 7)])
@pytest.mark.parametrize("failures", range(3))
def test_an_answer_that_settles_does_so_wherever_the_round_stands(
    kind: AnswerKind, poll_url: str, settled: Settle, wait: Wait | None, failures: int
) -> None:
    before = round_of(past(*[K.TRANSIENT] * failures), GIVEN, SPARE, wait=wait)
    assert step(before, kind, poll_url=poll_url) == settled


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.5, 1.0]), (0.5, [0.75, 1.5]), (1.0, [1.0, 2.0])])
def test_three_attempts_one_and_two_seconds_apart_and_then_the_queue(chance: float, waits: list[float]) -> None:
    results = [step(past(*[K.TRANSIENT] * made), K.TRANSIENT, chance=chance) for made in range(3)]
    assert [seconds(result) for result in results[:2]] == waits
    assert isinstance(results[2], Enqueue)
    assert results[2].until == NOW + timedelta(days=1)
    assert seconds(results[2]) == 15 + 15 * chance


def test_after_the_third_failure_the_next_location_has_its_turn_at_once() -> None:
    before = round_of(past(K.TRANSIENT, K.TRANSIENT), GIVEN, SPARE, LEASED)
    assert step(before, K.TRANSIENT) == Retry(NOW)
    after = round_of([*before.past, *past(K.TRANSIENT)], GIVEN, SPARE, LEASED)
    assert next_location(after, NOW) == SPARE
    further = [*after.past, *past(*[K.TRANSIENT] * 3, at=SPARE)]
    assert next_location(round_of(further, GIVEN, SPARE, LEASED), NOW) == LEASED
    assert isinstance(next_location(round_of(further, GIVEN, SPARE), NOW), Enqueue)


def test_a_new_round_begins_at_the_given_url() -> None:
    assert next_location(round_of([], GIVEN, SPARE), NOW) == GIVEN


def test_what_cannot_be_called_is_not_tried_again_but_the_fallback_is() -> None:
    assert step(round_of([], GIVEN, SPARE), K.BLOCKED) == Retry(NOW)
    assert next_location(round_of(past(K.BLOCKED), GIVEN, SPARE), NOW) == SPARE
    assert step(round_of(past(K.BLOCKED), GIVEN, SPARE), K.BLOCKED, at=SPARE) == Settle(False, Outcome.BLOCKED)
    assert step([], K.BLOCKED) == Settle(False, Outcome.BLOCKED)


def test_what_failed_before_the_last_location_turned_out_forbidden_is_kept_for_replay() -> None:
    assert isinstance(step(round_of(past(*[K.TRANSIENT] * 3), GIVEN, SPARE), K.BLOCKED, at=SPARE), Enqueue)


def test_no_location_at_all_is_the_end() -> None:
    assert next_location(Round(NOW, [], [], DAY), NOW) == Settle(False, Outcome.GAVE_UP)


@pytest.mark.parametrize(("asked", "wait"), [(0.0, 0.75), (7.0, 7.0), (10.0, 10.0)])
def test_retry_after_is_honoured(asked: float, wait: float) -> None:
    assert seconds(step([], Answer(K.TRANSIENT, retry_after=asked))) == wait


def test_who_asks_for_much_patience_is_not_asked_again_here() -> None:
    answer = Answer(K.TRANSIENT, status_code=503, retry_after=3600)
    assert step(round_of([], GIVEN, SPARE), answer) == Retry(NOW)
    asked = past(K.TRANSIENT, asked=3600)
    assert next_location(round_of(asked, GIVEN, SPARE), NOW) == SPARE
    assert next_location(round_of([*asked, *past(K.TRANSIENT, at=SPARE)], GIVEN, SPARE), NOW) == SPARE
    assert seconds(step([], answer)) == 3600
    assert step(round_of([], window=60), answer) == Enqueue(NOW + timedelta(seconds=60), NOW + timedelta(seconds=60))


def test_a_replay_asks_each_location_once_and_goes_back_to_the_queue() -> None:
    end = NOW + timedelta(hours=5)
    before = round_of([], GIVEN, SPARE, wait=Wait(end, 2))
    assert step(before, K.TRANSIENT) == Retry(NOW)
    after = round_of(past(K.TRANSIENT), GIVEN, SPARE, wait=Wait(end, 2))
    assert next_location(after, NOW) == SPARE
    assert step(after, K.TRANSIENT, at=SPARE, chance=0.0) == Enqueue(NOW + timedelta(seconds=120), end)


def test_the_last_replay_is_at_the_end_of_the_window_and_then_it_is_given_up() -> None:
    end = NOW + timedelta(seconds=40)
    assert step(round_of([], wait=Wait(end, 3)), K.TRANSIENT) == Enqueue(end, end)
    assert step(round_of([], wait=Wait(end, 3)), K.TRANSIENT, now=end) == Settle(False, Outcome.GAVE_UP)
    almost = end - timedelta(microseconds=1)
    assert step(round_of([], wait=Wait(end, 3)), K.TRANSIENT, now=almost) == Enqueue(end, end)


def test_the_last_replay_still_tries_every_location() -> None:
    end = NOW
    assert step(round_of([], GIVEN, SPARE, wait=Wait(end, 3)), K.TRANSIENT, now=end) == Retry(NOW)


def test_a_replay_that_is_under_way_has_three_attempts_at_its_outcome() -> None:
    waiting = Wait(NOW + timedelta(hours=5), 2)
    assert isinstance(step(round_of([], wait=waiting), Answer(K.UNDER_WAY, location=POLL)), Retry)
    at_work = round_of(past(K.UNDER_WAY), wait=waiting)
    assert retry(at_work, K.TRANSIENT, poll_url=POLL).poll_url == POLL


def test_a_202_is_polled_where_it_says_at_growing_intervals() -> None:
    before, waits, url = list[Past](), [], ""
    for _ in range(15):
        answer = Answer(K.UNDER_WAY, location=POLL if not url else "")
        polled = retry(before, answer, poll_url=url, chance=1.0)
        waits.append(seconds(polled))
        before, url = [*before, *past(K.UNDER_WAY, polled=bool(url))], polled.poll_url
        assert url == POLL
    assert waits[:3] == [2.0, 3.0, 4.5]
    assert waits[-1] == LONGEST_POLL
    assert seconds(step([], K.UNDER_WAY, chance=0.0)) == 1.0


@pytest.mark.parametrize(("asked", "wait"), [(1.0, 1.5), (200.0, 200.0), (86400.0, LONGEST_POLL_WAIT)])
def test_a_service_at_work_may_ask_for_patience_within_reason(asked: float, wait: float) -> None:
    assert seconds(step([], Answer(K.UNDER_WAY, retry_after=asked))) == wait


def test_a_202_without_a_location_repeats_the_put() -> None:
    assert retry([], K.UNDER_WAY).poll_url == ""


def test_a_202_may_move_the_outcome_elsewhere() -> None:
    answer = Answer(K.UNDER_WAY, location=POLL + "2")
    assert retry(past(K.UNDER_WAY), answer, poll_url=POLL).poll_url == POLL + "2"


@pytest.mark.parametrize("wait", [None, Wait(NOW + timedelta(seconds=1), 4)])
def test_a_202_is_believed_until_the_end_of_the_window_and_looked_at_once_more_then(wait: Wait | None) -> None:
    end = NOW + timedelta(seconds=1)
    before = round_of(past(*[K.UNDER_WAY] * 30), window=1, wait=wait)
    assert retry(before, K.UNDER_WAY, poll_url=POLL) == Retry(end, POLL)
    assert step(before, K.UNDER_WAY, poll_url=POLL, now=end) == Settle(False, Outcome.STILL_UNDER_WAY)


def test_a_poll_that_fails_is_polled_again_and_does_not_forget_the_place() -> None:
    assert retry(past(K.UNDER_WAY), K.TRANSIENT, poll_url=POLL).poll_url == POLL


def test_polls_that_fail_three_times_leave_the_next_location_its_turn() -> None:
    before = [*past(K.UNDER_WAY), *past(K.TRANSIENT, K.TRANSIENT, polled=True)]
    assert step(round_of(before, GIVEN, SPARE), K.TRANSIENT, poll_url=POLL) == Retry(NOW, "")


def test_an_outcome_that_is_gone_is_asked_for_by_put_and_only_so_often() -> None:
    assert retry(past(K.UNDER_WAY), K.NOTHING, poll_url=POLL).poll_url == ""
    twice = [*past(K.UNDER_WAY), *past(K.NOTHING, polled=True)] * 2 + past(K.UNDER_WAY)
    assert len(tried(twice)) == 2
    assert isinstance(step(twice, K.NOTHING, poll_url=POLL), Enqueue)


def test_an_outcome_at_a_place_that_may_not_be_called_is_asked_for_by_put() -> None:
    assert retry(past(K.UNDER_WAY), K.BLOCKED, poll_url=POLL).poll_url == ""
    before = [*past(K.UNDER_WAY), *past(K.BLOCKED, polled=True), *past(K.UNDER_WAY)]
    assert [(attempt.url, attempt.usable, attempt.status) for attempt in tried(before)] == [(GIVEN.url, True, None)]
    assert next_location(round_of(before, GIVEN, SPARE), NOW) == GIVEN


def test_a_service_that_is_at_work_has_its_attempts_again() -> None:
    before = past(K.TRANSIENT, K.TRANSIENT, K.UNDER_WAY)
    assert tried(before) == []
    assert isinstance(step(before, K.TRANSIENT, poll_url=POLL), Retry)


def test_being_at_work_at_one_location_takes_back_nothing_at_another() -> None:
    before = [*past(*[K.TRANSIENT] * 3), *past(K.UNDER_WAY, at=SPARE)]
    assert [attempt.url for attempt in tried(before)] == [GIVEN.url] * 3


@pytest.mark.parametrize(("code", "told"), [(503, 503), (429, 429), (None, None), (103, None)])
def test_the_ladder_is_told_the_status_unless_it_would_misread_it(code: int | None, told: int | None) -> None:
    attempt = tried([Past(GIVEN.url, NOW, K.TRANSIENT, code, 5.0)])[0]
    assert (attempt.status, attempt.retry_after, attempt.usable, attempt.at) == (told, 5.0, True, NOW)


ENDING = st.sampled_from([K.DONE, K.REFUSED, K.TRANSIENT, K.UNDER_WAY, K.NOTHING, K.BLOCKED])


@given(
    kinds=st.lists(st.sampled_from(list(K)), max_size=60),
    forever=ENDING,
    places=st.sampled_from([[GIVEN], [GIVEN, SPARE], [GIVEN, LEASED], [GIVEN, SPARE, LEASED]]),
    window=st.integers(1, 7200),
    chance=st.floats(0, 0.999),
    location=st.sampled_from(["", POLL]),
    asked=st.sampled_from([None, 0.0, 5.0, 1e9]),
)
def test_every_call_ends_and_no_round_goes_back(
    kinds: list[AnswerKind],
    forever: AnswerKind,
    places: list[Location],
    window: int,
    chance: float,
    location: str,
    asked: float | None,
) -> None:
    """Whatever a service answers: time goes on, each location gets its failures and no more, and the call is settled
    some attempts after the window at the latest."""
    now, url, here = NOW, "", GIVEN
    before = Round(NOW, places, [], window)
    visited: list[Location] = []
    for number in range(5000):
        kind = kinds[number] if number < len(kinds) else forever
        if not url:
            place = next_location(before, now)
            assert isinstance(place, Location)
            assert place not in visited[:-1] or place == visited[-1]
            here = place
            visited.append(here)
        answer = Answer(kind, retry_after=asked, location=location if kind is K.UNDER_WAY else "")
        fresh = Past(url or here.url, now, kind, None, asked, bool(url))
        result = next_step(before, fresh, answer, poll_url=url, now=now, rng=lambda: chance)
        if isinstance(result, Settle):
            assert result.done is (kind is K.DONE or (kind is K.NOTHING and not url))
            return
        assert kind not in {K.DONE, K.REFUSED}
        assert result.at >= now
        if isinstance(result, Enqueue):
            wait = Wait(result.until, before.wait.replays + 1 if before.wait else 0)
            assert result.at <= result.until
            before, url, visited = Round(result.at, places, [], window, wait), "", []
        else:
            before, url = replace(before, past=[*before.past, fresh]), result.poll_url
        now = result.at
        assert now <= NOW + timedelta(seconds=2 * window + 2000)
    raise AssertionError("the call does not end")


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


def test_the_places_to_call_in_order_and_each_once() -> None:
    given = "http://service.example/undo/7"
    found = locations(
        given, "https://spare.example", ["http://a.example", "http://service.example", "http://b.example/x"]
    )
    assert found == (
        Location(given, Rung.GIVEN),
        Location("https://spare.example/undo/7", Rung.STATIC),
        Location("http://a.example/undo/7", Rung.REGISTRY),
        Location("http://b.example/x", Rung.REGISTRY),
    )
    assert locations(given, "", []) == (Location(given),)
    assert locations("", "https://spare.example", ["http://a.example"]) == ()


def test_no_more_than_three_places_of_the_registry() -> None:
    many = [f"http://{letter}.example" for letter in "abcdef"]
    assert [place.rung for place in locations("http://s.example/", "http://t.example", many)] == [
        Rung.GIVEN,
        Rung.STATIC,
        *[Rung.REGISTRY] * 3,
    ]
