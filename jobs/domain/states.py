"""States and their transitions, as data (see the diagrams in `jobs/README.md`).

Two tables for each machine: what the server itself may do, and what a client's PUT may ask for. Everything that is
not in a table is refused.
"""

from enum import StrEnum

from jobs.domain.errors import ChoreoError, IllegalTransition, StatusRegression


class JobStatus(StrEnum):
    """Where a job is; the values are the contract's."""

    PENDING = "pending"
    WORKING = "working"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REVERT_FAILED = "revertFailed"


class TaskStatus(StrEnum):
    """Where a task is; the values are the contract's."""

    PENDING = "pending"
    WORKING = "working"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REVERTING = "reverting"
    REVERTED = "reverted"
    REVERT_FAILED = "revertFailed"


class Reason(StrEnum):
    """What began the cancelling of a job (`jobReason`)."""

    MAX_TTL = "maxTTL"
    CANCELLATION = "cancellation"
    TASK_FAILED = "taskFailed"
    TASK_MAX_TTL = "taskMaxTTL"
    JOB_FAILED = "jobFailed"


class OnTaskFailure(StrEnum):
    """What a failed task does to its job (`jobOnTaskFailure`)."""

    CANCEL = "cancel"
    ALERT = "alert"


class CallAction(StrEnum):
    """What the server asks of a service."""

    CANCEL = "cancel"
    REVERT = "revert"


class CallStatus(StrEnum):
    """Where a cancel or revert call is: due at `next_at`, in the replay queue, claimed until `lease_until`, or
    settled."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


CALL_OPEN = frozenset({CallStatus.PENDING, CallStatus.QUEUED, CallStatus.RUNNING})
CALL_WAITS = frozenset({CallStatus.PENDING, CallStatus.QUEUED})

J, T = JobStatus, TaskStatus

JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    J.PENDING: frozenset({J.WORKING, J.COMPLETED, J.FAILED, J.CANCELLING}),
    J.WORKING: frozenset({J.COMPLETED, J.FAILED, J.CANCELLING}),
    J.CANCELLING: frozenset({J.CANCELLED, J.FAILED, J.REVERT_FAILED}),
    J.REVERT_FAILED: frozenset({J.CANCELLING}),
    J.COMPLETED: frozenset(),
    J.FAILED: frozenset(),
    J.CANCELLED: frozenset(),
}
"""Every move of a job that exists, whoever makes it."""

TASK_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    T.PENDING: frozenset({T.WORKING, T.COMPLETED, T.FAILED, T.CANCELLED}),
    T.WORKING: frozenset({T.COMPLETED, T.FAILED, T.CANCELLING, T.CANCELLED, T.REVERTING, T.REVERTED, T.REVERT_FAILED}),
    T.COMPLETED: frozenset({T.REVERTING, T.REVERTED, T.REVERT_FAILED}),
    T.FAILED: frozenset({T.REVERTING, T.REVERTED, T.REVERT_FAILED}),
    T.CANCELLING: frozenset({T.FAILED, T.CANCELLED, T.REVERTING, T.REVERTED, T.REVERT_FAILED}),
    T.CANCELLED: frozenset({T.REVERTING, T.REVERTED, T.REVERT_FAILED}),
    T.REVERTING: frozenset({T.REVERTED, T.REVERT_FAILED}),
    T.REVERT_FAILED: frozenset({T.CANCELLING, T.CANCELLED, T.REVERTED}),
    T.REVERTED: frozenset({T.REVERTING}),
}
"""Every move of a task that exists, whoever makes it. `revertFailed → cancelling | cancelled` is an operator's retry,
which lets the undoing begin again; `reverted → reverting` is for work that came after its revert had found nothing."""

JOB_CLIENT_STATUSES = frozenset({J.PENDING, J.WORKING, J.COMPLETED, J.FAILED})
TASK_CLIENT_STATUSES = frozenset({T.PENDING, T.WORKING, T.COMPLETED, T.FAILED, T.CANCELLED, T.REVERTED})
TASK_CLIENT_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    T.PENDING: frozenset({T.WORKING, T.COMPLETED, T.FAILED, T.CANCELLED}),
    T.WORKING: frozenset({T.COMPLETED, T.FAILED, T.CANCELLED, T.REVERTED}),
    T.COMPLETED: frozenset({T.REVERTED}),
    T.FAILED: frozenset({T.REVERTED}),
    T.CANCELLING: frozenset({T.FAILED, T.CANCELLED, T.REVERTED}),
    T.CANCELLED: frozenset({T.REVERTED}),
    T.REVERTING: frozenset({T.REVERTED}),
    T.REVERT_FAILED: frozenset({T.REVERTED}),
    T.REVERTED: frozenset(),
}
"""What a service's own report may do to its task."""

_TASK_RANK: dict[TaskStatus, int] = {
    T.PENDING: 0,
    T.WORKING: 1,
    T.COMPLETED: 2,
    T.FAILED: 2,
    T.CANCELLING: 3,
    T.CANCELLED: 4,
    T.REVERTING: 5,
    T.REVERTED: 6,
    T.REVERT_FAILED: 6,
}

JOB_TERMINAL = frozenset({J.COMPLETED, J.FAILED, J.CANCELLED, J.REVERT_FAILED})
JOB_LIVE = frozenset({J.PENDING, J.WORKING})
JOB_CAN_CHANGE = frozenset({J.PENDING, J.WORKING, J.CANCELLING, J.REVERT_FAILED})
"""States that may still be left: `revertFailed` is an end that an operator may reopen."""

TASK_STOPPED = frozenset({T.COMPLETED, T.FAILED, T.CANCELLED, T.REVERTED, T.REVERT_FAILED})


def end_after_undo(reason: Reason, *, all_undone: bool) -> JobStatus:
    """How a cancelling job ends: `reason` decides between cancelled and failed, what is left over between both and
    revertFailed."""
    if not all_undone:
        return J.REVERT_FAILED
    return J.CANCELLED if reason in {Reason.MAX_TTL, Reason.CANCELLATION} else J.FAILED


def was_undone(status: JobStatus, reason: str) -> bool:
    """True once Revert Them All has begun, whatever came of it: from then on late work is refused and reverted."""
    return status in {J.CANCELLING, J.CANCELLED, J.REVERT_FAILED} or (status is J.FAILED and bool(reason))


def next_job_status(old: JobStatus, asked: JobStatus, *, reason: str, on_failure: OnTaskFailure) -> JobStatus:
    """The status that a client's PUT leads to; the old one when it repeats what already holds.

    Raises IllegalTransition, naming both states.
    """
    if asked is old or (asked is J.FAILED and reason == Reason.JOB_FAILED):
        return old
    if old in JOB_LIVE and asked in JOB_MOVES[old]:
        return J.CANCELLING if asked is J.FAILED and on_failure is OnTaskFailure.CANCEL else asked
    raise IllegalTransition(f"The job is {old}; it cannot become {asked}.", jobStatus=str(old), requested=str(asked))


def check_task_report(old: TaskStatus, asked: TaskStatus) -> None:
    """Refuse a service's report that is not a repeat and not a step forward.

    Raises StatusRegression (it would go backwards) or IllegalTransition (it would jump sideways).
    """
    if asked is old or asked in TASK_CLIENT_MOVES[old]:
        return
    kind: type[ChoreoError] = StatusRegression if _TASK_RANK[asked] < _TASK_RANK[old] else IllegalTransition
    raise kind(f"The task is {old}; it cannot become {asked}.", taskStatus=str(old), requested=str(asked))
