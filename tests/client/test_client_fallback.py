"""The retry rule: what is repeated, how often, after how long."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from choreo_client.fallback import (
    IDEMPOTENT_METHODS,
    Outcome,
    RetryPolicy,
    backoff,
    is_transient,
    next_delay,
    parse_retry_after,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
methods = st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"])
statuses = st.none() | st.integers(300, 599)
waits = st.none() | st.floats(0, 1e6)
chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("status", [None, 500, 502, 503, 504, 408, 425, 429])
@pytest.mark.parametrize("method", sorted(IDEMPOTENT_METHODS))
def test_transient_failures_of_idempotent_methods_are_retried_twice(method: str, status: int | None) -> None:
    delays = [next_delay(n, Outcome(method, status), lambda: 0.5) for n in (1, 2, 3)]
    assert delays == [0.75, 1.5, None]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("status", [None, 503, 429])
def test_other_methods_are_never_retried(method: str, status: int | None) -> None:
    assert next_delay(1, Outcome(method, status), lambda: 0.0) is None


@given(status=st.integers(300, 499).filter(lambda s: s not in (408, 425, 429)))
def test_other_answers_are_final(status: int) -> None:
    assert not is_transient(status)
    assert next_delay(1, Outcome("PUT", status), lambda: 0.0) is None


@given(st.integers(1, 9), methods, statuses, waits, chances)
def test_a_delay_is_within_the_bounds_of_the_rule(
    attempt: int, method: str, status: int | None, asked: float | None, chance: float
) -> None:
    delay = next_delay(attempt, Outcome(method, status, asked), lambda: chance)
    if delay is None:
        return
    assert attempt < 3
    assert method in IDEMPOTENT_METHODS
    full = 2.0 ** (attempt - 1)
    assert max(full / 2, asked or 0) <= delay <= max(full, asked or 0)
    assert delay <= 10


def test_a_longer_wait_than_the_bound_is_not_cut_short_but_given_up() -> None:
    assert next_delay(1, Outcome("GET", 503, 10.0), lambda: 0.0) == 10.0
    assert next_delay(1, Outcome("GET", 503, 10.1), lambda: 0.0) is None


@given(st.integers(1, 10**9), chances)
def test_backoff_has_a_ceiling(attempt: int, chance: float) -> None:
    policy = RetryPolicy(max_delay=30)
    assert 0.5 <= backoff(attempt, lambda: chance, policy) <= 30


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
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
