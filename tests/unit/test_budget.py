"""The compounding-delay budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.budget import PlanStep, budget, plan_chain, with_observed

THREE_BY_TEN = [{"taskName": name, "attempts": 3, "timeout": 10} for name in ("tax", "pay", "ship")]


def test_three_steps_of_three_times_ten_seconds_are_ninety() -> None:
    result = budget(60, plan_chain(THREE_BY_TEN))
    assert (result.worst_case_seconds, result.fits) == (90, False)
    assert [step.worst_case for step in result.steps] == [30, 30, 30]
    assert budget(90, plan_chain(THREE_BY_TEN)).fits


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (PlanStep("a"), 0),
        (PlanStep("a", attempts=1, timeout=7, delay=5), 7),
        (PlanStep("a", attempts=3, timeout=10, delay=2), 34),
        (PlanStep("a", attempts=4, timeout=1, delay=2, backoff="exponential"), 4 + 2 + 4 + 8),
        (PlanStep("a", attempts=2, timeout=1, undo=30), 32),
    ],
)
def test_a_steps_worst_case(step: PlanStep, seconds: int) -> None:
    assert step.worst_case == seconds


def test_of_branches_the_longest_counts() -> None:
    steps = with_observed(plan_chain(THREE_BY_TEN), [("tax", None, None), ("pay", "tax", None), ("ship", "tax", None)])
    assert budget(60, steps).worst_case_seconds == 60


def test_a_task_that_no_plan_foresaw_counts_with_its_own_max_ttl() -> None:
    steps = with_observed([], [("tax", None, 5), ("pay", "tax", 7), ("gift", "tax", None)])
    assert budget(10, steps).worst_case_seconds == 12


def test_no_plan_and_no_tasks_fit_anywhere() -> None:
    assert budget(1, []).fits


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.none() | st.sampled_from("abcdef"), st.integers(1, 9))))
def test_whatever_was_observed_the_longest_chain_is_at_most_everything(
    observed: list[tuple[str, str | None, int]],
) -> None:
    result = budget(1, with_observed(plan_chain(THREE_BY_TEN), observed))
    assert result.worst_case_seconds <= sum(step.worst_case for step in result.steps)
    assert result.worst_case_seconds >= max(step.worst_case for step in result.steps)
