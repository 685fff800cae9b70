"""The tables of states, each as a whole: what stands in them, and nothing else.

Written out by hand from the contract ("Job", "Task") and the diagrams in `jobs/README.md`, so that a row which changes
by mistake has to change twice.
"""

from enum import StrEnum

import pytest

from jobs.domain import states
from jobs.domain.errors import IllegalTransition, StatusRegression
from jobs.domain.states import JobStatus, OnTaskFailure, Reason, TaskStatus, check_task_report, next_job_status

J, T = JobStatus, TaskStatus

ENUMS: dict[type[StrEnum], str] = {
    states.JobStatus: "pending working completed failed cancelling cancelled revertFailed",
    states.TaskStatus: "pending working completed failed cancelling cancelled reverting reverted revertFailed",
    states.Reason: "maxTTL cancellation taskFailed taskMaxTTL jobFailed",
    states.OnTaskFailure: "cancel alert",
    states.CallAction: "cancel revert",
    states.CallStatus: "pending queued running done failed",
}

JOB_MOVES = """
    pending: working completed failed cancelling
    working: completed failed cancelling
    cancelling: cancelled failed revertFailed
    revertFailed: cancelling
    completed:
    failed:
    cancelled:
"""

TASK_MOVES = """
    pending: working completed failed cancelled
    working: completed failed cancelling cancelled reverting reverted revertFailed
    completed: reverting reverted revertFailed
    failed: reverting reverted revertFailed
    cancelling: failed cancelled reverting reverted revertFailed
    cancelled: reverting reverted revertFailed
    reverting: reverted revertFailed
    revertFailed: cancelling cancelled reverted
    reverted: reverting
"""

TASK_CLIENT_MOVES = """
    pending: working completed failed cancelled
    working: completed failed cancelled reverted
    completed: reverted
    failed: reverted
    cancelling: failed cancelled reverted
    cancelled: reverted
    reverting: reverted
    revertFailed: reverted
    reverted:
"""

SETS = {
    "CALL_OPEN": "pending queued running",
    "CALL_WAITS": "pending queued",
    "JOB_CLIENT_STATUSES": "pending working completed failed",
    "TASK_CLIENT_STATUSES": "pending working completed failed cancelled reverted",
    "JOB_TERMINAL": "completed failed cancelled revertFailed",
    "JOB_LIVE": "pending working",
    "JOB_CAN_CHANGE": "pending working cancelling revertFailed",
    "TASK_STOPPED": "completed failed cancelled reverted revertFailed",
}


def table(text: str) -> dict[str, set[str]]:
    """A table as it is written above."""
    rows = (line.split(":") for line in text.strip().splitlines())
    return {old.strip(): set(new.split()) for old, new in rows}


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_the_values_are_those_of_the_contract(enum: type[StrEnum]) -> None:
    assert [str(member) for member in enum] == ENUMS[enum].split()


@pytest.mark.parametrize("name", ["JOB_MOVES", "TASK_MOVES", "TASK_CLIENT_MOVES"])
def test_every_move_that_exists_is_written_here(name: str) -> None:
    stored = getattr(states, name)
    assert {str(old): {str(new) for new in moves} for old, moves in stored.items()} == table(globals()[name])


@pytest.mark.parametrize("name", SETS)
def test_every_group_of_statuses_is_written_here(name: str) -> None:
    assert {str(status) for status in getattr(states, name)} == set(SETS[name].split())


ORDER = ["pending", "working", "completed failed", "cancelling", "cancelled", "reverting", "reverted revertFailed"]
"""A report that leads to an earlier group goes backwards; to the same or a later one, it jumps."""


@pytest.mark.parametrize("old", TaskStatus)
@pytest.mark.parametrize("asked", TaskStatus)
def test_a_refused_report_goes_backwards_or_jumps(old: TaskStatus, asked: TaskStatus) -> None:
    if asked is old or asked in table(TASK_CLIENT_MOVES)[old]:
        return
    rank = {status: number for number, group in enumerate(ORDER) for status in group.split()}
    with pytest.raises(StatusRegression if rank[asked] < rank[old] else IllegalTransition) as caught:
        check_task_report(old, asked)
    assert caught.value.detail == f"The task is {old}; it cannot become {asked}."


@pytest.mark.parametrize("reason", ["", *Reason])
@pytest.mark.parametrize("old", JobStatus)
def test_only_the_very_request_that_began_the_cancelling_may_be_repeated(old: JobStatus, reason: str) -> None:
    """`failed` on a job that is not live: a repeat for `jobFailed`, and for what is failed already, else refused."""
    if old in {J.PENDING, J.WORKING}:
        return
    if old is J.FAILED or reason == "jobFailed":
        assert next_job_status(old, J.FAILED, reason=reason, on_failure=OnTaskFailure.CANCEL) is old
        return
    with pytest.raises(IllegalTransition):
        next_job_status(old, J.FAILED, reason=reason, on_failure=OnTaskFailure.CANCEL)


@pytest.mark.parametrize("asked", [J.PENDING, J.WORKING, J.COMPLETED])
def test_no_other_request_is_taken_for_a_repeat_of_the_failure(asked: JobStatus) -> None:
    with pytest.raises(IllegalTransition):
        next_job_status(J.CANCELLING, asked, reason=Reason.JOB_FAILED, on_failure=OnTaskFailure.CANCEL)


def test_a_reason_is_compared_by_its_text_since_it_comes_from_a_row() -> None:
    stored = "".join(["job", "Failed"])
    assert next_job_status(J.CANCELLED, J.FAILED, reason=stored, on_failure=OnTaskFailure.CANCEL) is J.CANCELLED
