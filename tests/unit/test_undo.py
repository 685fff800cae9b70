"""Revert Them All as a pure plan: its order, and that it always comes to an end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.states import CallStatus, TaskStatus
from jobs.domain.undo import TaskFacts, all_undone, next_steps, to_undo

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
T = TaskStatus


def task(number: int, status: TaskStatus = T.COMPLETED, cause: int | None = None, **facts: object) -> TaskFacts:
    """Task `number`, started that many seconds after START, with both URLs unless told otherwise."""
    plain = TaskFacts(
        id=UUID(int=number),
        status=status,
        state_changed=True,
        started_at=None if status is T.PENDING else START + timedelta(seconds=number),
        caused_by=UUID(int=cause) if cause is not None else None,
        has_cancel_url=True,
        has_revert_url=True,
    )
    return replace(plain, **facts)  # type: ignore[arg-type]  # facts are named by the tests themselves


def run(tasks: list[TaskFacts], failing: set[int] = frozenset()) -> list[list[tuple[str, int]]]:  # type: ignore[assignment]
    """Play the plan to its end; every wave of calls as (action, task number). Tasks in `failing` refuse every call."""
    waves: list[list[tuple[str, int]]] = []
    state = {t.id: t for t in tasks}
    for _ in range(4 * len(tasks) + 4):
        steps = next_steps(state.values())
        if steps.finished:
            return waves
        for i in steps.record_cancelled:
            state[i] = replace(state[i], status=T.CANCELLED)
        for i in steps.give_up:
            state[i] = replace(state[i], status=T.REVERT_FAILED)
        for i in steps.call_cancel:
            refuses = i.int in failing
            outcome = CallStatus.FAILED if refuses else CallStatus.DONE
            state[i] = replace(state[i], status=T.CANCELLING if refuses else T.CANCELLED, cancel=outcome)
        for i in steps.call_revert:
            state[i] = replace(state[i], status=T.REVERT_FAILED if i.int in failing else T.REVERTED)
        calls = [("cancel", i.int) for i in steps.call_cancel] + [("revert", i.int) for i in steps.call_revert]
        if calls:
            waves.append(sorted(calls))
    raise AssertionError("The plan does not come to an end.")


def test_a_chain_is_reverted_from_its_end() -> None:
    assert run([task(1), task(2, cause=1), task(3, cause=2)]) == [[("revert", 3)], [("revert", 2)], [("revert", 1)]]


def test_branches_are_reverted_at_the_same_time() -> None:
    fan = [task(1), task(2, cause=1), task(3, cause=1), task(4, cause=3)]
    assert run(fan) == [[("revert", 2), ("revert", 4)], [("revert", 3)], [("revert", 1)]]


def test_what_works_is_cancelled_before_anything_is_reverted() -> None:
    tasks = [task(1), task(2, T.WORKING, cause=1), task(3, T.WORKING, cause=1, state_changed=False)]
    assert run(tasks) == [[("cancel", 2), ("cancel", 3)], [("revert", 2)], [("revert", 1)]]


def test_a_failed_revert_does_not_hold_up_the_others() -> None:
    assert run([task(1), task(2, cause=1)], failing={2}) == [[("revert", 2)], [("revert", 1)]]


def test_without_causes_it_is_reverse_start_order() -> None:
    assert run([task(2), task(1), task(3)]) == [[("revert", 3)], [("revert", 2)], [("revert", 1)]]


def test_an_unknown_cause_falls_back_to_start_order() -> None:
    assert run([task(1), task(2, cause=99)]) == [[("revert", 2)], [("revert", 1)]]


def test_a_gap_that_changed_nothing_still_orders_what_is_around_it() -> None:
    tasks = [task(1), task(2, cause=1, state_changed=False), task(3, cause=2)]
    assert run(tasks) == [[("revert", 3)], [("revert", 1)]]


@pytest.mark.parametrize("circle", [[(1, 2), (2, 1)], [(1, 1)], [(1, 3), (2, 1), (3, 2)]])
def test_a_circle_of_causes_ends_with_its_earliest_starter(circle: list[tuple[int, int]]) -> None:
    waves = run([task(number, cause=cause) for number, cause in circle])
    assert waves[-1] == [("revert", 1)]
    assert len(waves) == len(circle)


def test_work_that_was_only_announced_is_cancelled_without_a_call() -> None:
    steps = next_steps([task(1, T.PENDING)])
    assert (steps.record_cancelled, steps.call_cancel, steps.finished) == ([UUID(int=1)], [], False)


def test_without_a_cancel_url_only_work_that_changed_nothing_is_recorded_cancelled() -> None:
    steps = next_steps([task(1, T.WORKING, has_cancel_url=False, state_changed=False)])
    assert steps.record_cancelled == [UUID(int=1)]
    assert next_steps([task(1, T.WORKING, has_cancel_url=False)]).call_revert == [UUID(int=1)]


def test_state_that_nobody_can_revert_is_given_up_so_that_a_human_is_called() -> None:
    assert next_steps([task(1, has_revert_url=False)]).give_up == [UUID(int=1)]


def test_a_task_that_could_not_be_stopped_is_reverted_if_it_changed_state_and_else_given_up() -> None:
    stuck = task(1, T.CANCELLING, cancel=CallStatus.FAILED)
    assert next_steps([stuck]).call_revert == [UUID(int=1)]
    assert next_steps([replace(stuck, state_changed=False)]).give_up == [UUID(int=1)]


def test_the_dialog_names_what_a_cancel_would_touch() -> None:
    tasks = [task(1), task(2, T.WORKING, state_changed=False), task(3, T.PENDING), task(4, state_changed=False)]
    assert [i.int for i in to_undo(tasks)] == [1, 2]


def test_undone_means_that_nothing_is_left_over() -> None:
    assert all_undone([T.REVERTED, T.CANCELLED, T.COMPLETED])
    assert not all_undone([T.REVERTED, T.REVERT_FAILED])


@st.composite
def any_tasks(draw: st.DrawFn) -> list[TaskFacts]:
    count = draw(st.integers(0, 8))
    return [
        task(
            number,
            draw(st.sampled_from([T.PENDING, T.WORKING, T.COMPLETED, T.FAILED, T.CANCELLED])),
            cause=draw(st.none() | st.integers(0, count)),
            state_changed=draw(st.booleans()),
            has_cancel_url=draw(st.booleans()),
            has_revert_url=draw(st.booleans()),
        )
        for number in range(count)
    ]


@given(any_tasks(), st.sets(st.integers(0, 8)))
def test_it_always_ends_with_each_call_made_at_most_once(tasks: list[TaskFacts], failing: set[int]) -> None:
    calls = [call for wave in run(tasks, failing) for call in wave]
    assert len(calls) == len(set(calls))
    must = {t.id.int for t in tasks if t.started and t.state_changed and t.has_revert_url}
    assert {number for action, number in calls if action == "revert"} == must


@given(any_tasks())
def test_cancels_come_before_every_revert(tasks: list[TaskFacts]) -> None:
    actions = [action for wave in run(tasks) for action, _ in wave]
    assert actions == sorted(actions)


@given(any_tasks(), st.randoms())
def test_the_order_in_which_tasks_are_given_does_not_matter(tasks: list[TaskFacts], random: object) -> None:
    shuffled = list(tasks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' Random
    assert run(shuffled) == run(tasks)
