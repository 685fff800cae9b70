"""The plan of Revert Them All, step by step: what each situation leads to, and nothing else."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jobs.domain.states import CallStatus, TaskStatus
from jobs.domain.undo import Steps, TaskFacts, next_steps, to_undo

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
T = TaskStatus


def task(
    number: int, status: TaskStatus = T.COMPLETED, cause: int | None = None, second: int | None = None
) -> TaskFacts:
    """Task `number`, started in that second unless told otherwise, that changed state and has both URLs."""
    return TaskFacts(
        id=UUID(int=number),
        status=status,
        state_changed=True,
        started_at=START + timedelta(seconds=number if second is None else second),
        caused_by=UUID(int=cause) if cause is not None else None,
        has_cancel_url=True,
        has_revert_url=True,
    )


def ids(*numbers: int) -> list[UUID]:
    """The IDs of these tasks."""
    return [UUID(int=number) for number in numbers]


def test_nothing_to_do_is_the_end() -> None:
    assert next_steps([]) == Steps()
    assert next_steps([task(1, T.REVERTED), task(2, T.REVERT_FAILED)]).finished


@pytest.mark.parametrize(
    "left",
    [
        Steps(call_cancel=ids(1)),
        Steps(record_cancelled=ids(1)),
        Steps(call_revert=ids(1)),
        Steps(give_up=ids(1)),
        Steps(waiting=True),
    ],
)
def test_it_is_not_over_while_anything_is_left(left: Steps) -> None:
    assert Steps().finished
    assert not left.finished


def test_a_cancel_is_called_and_waited_for() -> None:
    assert next_steps([task(1, T.WORKING), task(2)]) == Steps(call_cancel=ids(1), waiting=True)


@pytest.mark.parametrize("call", [CallStatus.PENDING, CallStatus.RUNNING, CallStatus.QUEUED])
def test_a_cancel_under_way_holds_every_revert(call: CallStatus) -> None:
    stopping = replace(task(1, T.CANCELLING), cancel=call)
    assert next_steps([stopping, task(2)]) == Steps(waiting=True)


@pytest.mark.parametrize("call", [CallStatus.PENDING, CallStatus.RUNNING, CallStatus.QUEUED])
def test_a_cancel_that_hangs_or_is_queued_holds_nobody_but_is_waited_for(call: CallStatus) -> None:
    stuck = replace(task(2, T.CANCELLING, cause=1), cancel=call, holds=False)
    assert next_steps([stuck, task(1), task(3)]) == Steps(call_revert=ids(3), waiting=True)
    assert next_steps([stuck, task(1)]) == Steps(call_revert=ids(1), waiting=True)
    assert next_steps([stuck]) == Steps(waiting=True)


def test_a_revert_under_way_holds_its_cause() -> None:
    assert next_steps([task(1), task(2, T.REVERTING, cause=1)]) == Steps(waiting=True)


def test_a_revert_that_hangs_or_is_queued_holds_nobody_but_is_waited_for() -> None:
    stuck = replace(task(2, T.REVERTING, cause=1), holds=False)
    assert next_steps([task(1), stuck]) == Steps(call_revert=ids(1), waiting=True)
    assert next_steps([task(1, T.REVERTED), stuck]) == Steps(waiting=True)


@pytest.mark.parametrize("status", sorted(set(T) - {T.REVERTING}))
def test_only_a_revert_under_way_is_held_or_not(status: TaskStatus) -> None:
    """`holds` says nothing of a task without a call under way."""
    facts = [task(1), task(2, status, cause=1)]
    if status not in {T.CANCELLING}:
        assert next_steps([facts[0], replace(facts[1], holds=False)]) == next_steps(facts)


def test_a_held_cause_is_waited_for_while_its_effect_begins() -> None:
    assert next_steps([task(1), task(2, cause=1)]) == Steps(call_revert=ids(2), waiting=True)


def test_without_urls_nobody_is_called() -> None:
    bare = TaskFacts(id=UUID(int=1), status=T.COMPLETED, state_changed=True, started_at=START)
    assert next_steps([bare]) == Steps(give_up=ids(1))
    assert next_steps([replace(bare, status=T.WORKING)]) == Steps(give_up=ids(1))
    assert bare.holds, "a call holds others until it is known to fail"


@pytest.mark.parametrize("status", [T.CANCELLED, T.COMPLETED, T.FAILED])
def test_what_never_began_has_nothing_to_revert(status: TaskStatus) -> None:
    assert next_steps([replace(task(1, status), started_at=None)]) == Steps()
    assert to_undo([replace(task(1, status), started_at=None)]) == []


@pytest.mark.parametrize("status", [T.CANCELLED, T.COMPLETED, T.FAILED])
def test_what_changed_nothing_has_nothing_to_revert(status: TaskStatus) -> None:
    assert next_steps([replace(task(1, status), state_changed=False)]) == Steps()


def test_later_starters_go_first_whatever_their_ids() -> None:
    assert next_steps([task(1, second=9), task(2, second=5)]).call_revert == ids(1)
    assert next_steps([task(1, second=5), task(2, second=9)]).call_revert == ids(2)


def test_of_those_that_started_together_the_greater_id_goes_first() -> None:
    assert next_steps([task(1, second=5), task(2, second=5)]).call_revert == ids(2)
    assert next_steps([task(2, second=5), task(1, second=5)]).call_revert == ids(2)


def test_a_cause_holds_whether_its_id_is_greater_or_less() -> None:
    tasks = [task(5, second=0), task(2, cause=5, second=1), task(7, cause=5, second=2)]
    assert next_steps(tasks).call_revert == ids(2, 7)
    assert next_steps([tasks[0], tasks[1]]).call_revert == ids(2)


def test_one_without_a_cause_follows_the_latest_before_it_even_after_one_that_has_a_cause() -> None:
    tasks = [task(1), task(2, cause=1), task(3)]
    assert next_steps(tasks).call_revert == ids(3)
    assert next_steps([*tasks, task(4, cause=2)]).call_revert == ids(3, 4)


def test_a_task_that_says_it_caused_itself_counts_as_without_a_cause() -> None:
    assert next_steps([task(1), task(2, cause=2)]).call_revert == ids(2)


def test_facts_do_not_change_while_a_plan_is_made() -> None:
    with pytest.raises(FrozenInstanceError):
        task(1).holds = False  # type: ignore[misc]  # what is tried here


def test_a_cause_that_is_not_the_latest_before_it_counts_though_its_id_is_greater() -> None:
    first, second, third = task(9, second=0), task(1, second=1), task(2, cause=9, second=2)
    assert next_steps([first, second, third]).call_revert == ids(1, 2)
