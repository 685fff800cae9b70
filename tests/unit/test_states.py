"""The tables of states, walked pair by pair."""

import itertools

import pytest

from jobs.domain.errors import IllegalTransition, StatusRegression
from jobs.domain.states import (
    JOB_CLIENT_STATUSES,
    JOB_LIVE,
    JOB_MOVES,
    JOB_TERMINAL,
    TASK_CLIENT_MOVES,
    TASK_CLIENT_STATUSES,
    TASK_MOVES,
    JobStatus,
    OnTaskFailure,
    Reason,
    TaskStatus,
    check_task_report,
    end_after_undo,
    next_job_status,
    was_undone,
)

J, T = JobStatus, TaskStatus


def ask(old: JobStatus, asked: JobStatus, reason: str = "", on_failure: OnTaskFailure = OnTaskFailure.CANCEL) -> str:
    """What a PUT of `asked` leads to: the new status, or `refused`."""
    try:
        return next_job_status(old, asked, reason=reason, on_failure=on_failure)
    except IllegalTransition as error:
        named = {str(value) for value in error.extra.values()}
        return "refused" if named == {str(old), str(asked)} else f"refused, naming {named}"


JOB_TABLE = {
    (J.PENDING, J.PENDING): J.PENDING,
    (J.PENDING, J.WORKING): J.WORKING,
    (J.PENDING, J.COMPLETED): J.COMPLETED,
    (J.PENDING, J.FAILED): J.CANCELLING,
    (J.WORKING, J.WORKING): J.WORKING,
    (J.WORKING, J.COMPLETED): J.COMPLETED,
    (J.WORKING, J.FAILED): J.CANCELLING,
    (J.COMPLETED, J.COMPLETED): J.COMPLETED,
    (J.FAILED, J.FAILED): J.FAILED,
}


@pytest.mark.parametrize(("old", "asked"), list(itertools.product(JobStatus, sorted(JOB_CLIENT_STATUSES))))
def test_every_pair_of_a_jobs_status_and_a_clients_wish(old: JobStatus, asked: JobStatus) -> None:
    assert ask(old, asked) == JOB_TABLE.get((old, asked), "refused")


@pytest.mark.parametrize("old", [J.PENDING, J.WORKING])
def test_a_clients_failed_is_final_at_once_when_the_job_only_wants_to_be_told(old: JobStatus) -> None:
    assert ask(old, J.FAILED, on_failure=OnTaskFailure.ALERT) == J.FAILED


@pytest.mark.parametrize("old", [J.CANCELLING, J.FAILED, J.REVERT_FAILED])
def test_repeating_the_request_that_began_the_cancelling_is_no_error(old: JobStatus) -> None:
    assert ask(old, J.FAILED, reason=Reason.JOB_FAILED) == old


@pytest.mark.parametrize(("old", "new"), list(itertools.product(JobStatus, JobStatus)))
def test_no_ended_job_moves_but_for_an_operators_retry(old: JobStatus, new: JobStatus) -> None:
    if old in JOB_TERMINAL and (old, new) != (J.REVERT_FAILED, J.CANCELLING):
        assert new not in JOB_MOVES[old]


def test_every_status_is_in_every_table() -> None:
    assert set(JOB_MOVES) == set(JobStatus)
    assert set(TASK_MOVES) == set(TASK_CLIENT_MOVES) == set(TaskStatus)


@pytest.mark.parametrize("old", TaskStatus)
def test_a_service_asks_only_for_moves_that_exist_and_that_it_may_name(old: TaskStatus) -> None:
    assert TASK_CLIENT_MOVES[old] <= TASK_MOVES[old] & TASK_CLIENT_STATUSES


TASK_REFUSED = {
    (T.COMPLETED, T.FAILED): IllegalTransition,
    (T.COMPLETED, T.CANCELLED): IllegalTransition,
    (T.FAILED, T.COMPLETED): IllegalTransition,
    (T.FAILED, T.CANCELLED): IllegalTransition,
    (T.PENDING, T.REVERTED): IllegalTransition,
}


@pytest.mark.parametrize(("old", "asked"), list(itertools.product(TaskStatus, sorted(TASK_CLIENT_STATUSES))))
def test_every_pair_of_a_tasks_status_and_a_report(old: TaskStatus, asked: TaskStatus) -> None:
    if asked is old or asked in TASK_CLIENT_MOVES[old]:
        check_task_report(old, asked)
        return
    with pytest.raises(TASK_REFUSED.get((old, asked), StatusRegression)) as caught:
        check_task_report(old, asked)
    assert caught.value.extra == {"taskStatus": old, "requested": asked}


@pytest.mark.parametrize("reason", Reason)
def test_how_an_undone_job_ends(reason: Reason) -> None:
    by_deadline_or_wish = reason in {Reason.MAX_TTL, Reason.CANCELLATION}
    assert end_after_undo(reason, all_undone=True) == (J.CANCELLED if by_deadline_or_wish else J.FAILED)
    assert end_after_undo(reason, all_undone=False) == J.REVERT_FAILED


@pytest.mark.parametrize(("status", "reason"), list(itertools.product(JobStatus, ["", Reason.TASK_FAILED])))
def test_which_jobs_refuse_late_results(status: JobStatus, reason: str) -> None:
    expected = status in {J.CANCELLING, J.CANCELLED, J.REVERT_FAILED} or (status is J.FAILED and reason != "")
    assert was_undone(status, reason) is expected
    assert not (expected and status in JOB_LIVE)
