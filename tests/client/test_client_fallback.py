"""The facts that the ladder stands on: what may be repeated, how long a wait is, what a service asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from choreo_client.fallback import IDEMPOTENT_METHODS, backoff, is_transient, parse_retry_after, standing_in
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
chances = st.floats(0, 1, exclude_max=True)


def test_the_idempotent_methods() -> None:
    assert sorted(IDEMPOTENT_METHODS) == ["DELETE", "GET", "HEAD", "PUT"]


def test_what_may_pass() -> None:
    assert is_transient(None)
    assert [status for status in range(100, 700) if is_transient(status)] == [408, 425, 429, *range(500, 700)]


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"),
    [
        (1, 0.0, 0.5),
        (1, 0.5, 0.75),
        (1, 1.0, 1.0),
        (2, 0.0, 1.0),
        (2, 1.0, 2.0),
        (3, 0.0, 2.0),
        (3, 1.0, 4.0),
        (5, 1.0, 16.0),
        (6, 1.0, 30.0),
        (6, 0.0, 15.0),
        (1100, 1.0, 30.0),
    ],
)
def test_waits_double_up_to_a_ceiling_half_of_each_by_chance(attempt: int, chance: float, seconds: float) -> None:
    assert backoff(attempt, lambda: chance) == seconds


def test_the_first_wait_and_the_ceiling_are_the_callers() -> None:
    waits = [backoff(attempt, lambda: 1.0, first=3.0, longest=10.0) for attempt in (1, 2, 3)]
    assert waits == [3.0, 6.0, 10.0]
    assert backoff(33, lambda: 1.0, first=1.0, longest=1e12) == 2.0**32
    assert backoff(34, lambda: 1.0, first=1.0, longest=1e12) == 2.0**32


@given(st.integers(1, 10**9), chances)
def test_a_wait_is_between_half_and_the_whole(attempt: int, chance: float) -> None:
    assert 0.5 <= backoff(attempt, lambda: chance) <= 30


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("12345678901234567890", 1234567890.0),
        ("Mon, 23 Nov 2026 09:00:05 GMT", 5.0),
        ("Mon, 23 Nov 2026 08:00:00 -0000", 0.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_too_odd(value: str) -> None:
    parsed = parse_retry_after(value, NOW)
    assert parsed is None or parsed >= 0


@given(st.integers(0, 10**8))
def test_a_date_counts_from_now(seconds: int) -> None:
    value = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("other", "called"),
    [
        ("https://spare.test", "https://spare.test/v1/pay?x=1"),
        ("https://spare.test:8443/", "https://spare.test:8443/v1/pay?x=1"),
        ("https://spare.test/other", "https://spare.test/other"),
        ("https://spare.test?key=2", "https://spare.test?key=2"),
    ],
)
def test_an_origin_stands_in_for_the_given_one(other: str, called: str) -> None:
    assert standing_in("http://given.test/v1/pay?x=1#part", other) == called


def test_an_origin_for_an_origin_is_called_at_its_root() -> None:
    assert standing_in("http://given.test", "http://spare.test") == "http://spare.test/"
