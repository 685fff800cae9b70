"""jobID and taskID travel as headers, and nothing unprintable ever does."""

import threading

import pytest
from choreo_client import (
    Correlation,
    correlated,
    current,
    from_headers,
    outgoing_headers,
)
from hypothesis import given
from hypothesis import strategies as st

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(st.none() | words, st.none() | words)
def test_what_goes_out_comes_in(job_id: str | None, task_id: str | None) -> None:
    sent = Correlation(job_id, task_id, TRACE)
    assert from_headers(sent.headers()) == sent


@given(st.dictionaries(st.sampled_from(["Correlation-ID", "request-id"]), st.text()))
def test_only_short_visible_ascii_is_taken(headers: dict[str, str]) -> None:
    found = from_headers(headers)
    for value in (found.job_id, found.task_id):
        assert value is None or (1 <= len(value) <= 128 and value.isascii())
        assert value is None or (value.isprintable() and " " not in value)


def test_the_x_names_are_aliases_and_the_plain_ones_win() -> None:
    headers = {"X-Correlation-ID": "a", "X-Request-ID": "b", "request-id": "c"}
    assert from_headers(headers) == Correlation("a", "c")


@pytest.mark.parametrize(
    "value",
    [
        TRACE.upper(),
        TRACE + "-x",
        "ff" + TRACE[2:],
        TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        "00-1-2-01",
    ],
)
def test_an_invalid_traceparent_is_ignored(value: str) -> None:
    assert from_headers({"traceparent": value}).traceparent is None


def test_a_later_version_of_traceparent_may_be_longer() -> None:
    value = f"01{TRACE[2:]}-more"
    assert from_headers({"traceparent": value}).traceparent == value


def test_the_current_correlation_ends_with_its_block() -> None:
    with correlated(Correlation("job", "task")):
        with correlated(Correlation("other")):
            assert outgoing_headers() == {"correlation-id": "other"}
        assert outgoing_headers() == {"correlation-id": "job", "request-id": "task"}
    assert current() == Correlation()


def test_threads_do_not_see_each_others() -> None:
    seen: list[Correlation] = []
    with correlated(Correlation("job")):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [Correlation()]
