"""Revert Them All: begins it, takes its next steps, and ends it. The plan itself is `jobs.domain.undo`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from jobs.domain.events import Cause, EventKind
from jobs.domain.states import CALL_OPEN, CallAction, CallStatus, JobStatus, Reason, TaskStatus, end_after_undo
from jobs.domain.undo import Steps, TaskFacts, all_undone, next_steps
from jobs.models import Call, Job, Task
from jobs.services import history
from jobs.services.history import CHOREO
from jobs.services.locks import lock_job
from jobs.services.transitions import move_job, move_task
from jobs.services.wake import wake_after_commit

HOLD = timedelta(seconds=3)
"""How long a call that is not answered keeps waiting what caused its task, for the sake of the order."""
HOLD_UNDER_WAY = timedelta(seconds=60)
"""The same for a call that was answered 202: the service is at work on it."""

_FRESH: dict[str, Any] = {
    "outcome": "",
    "attempts_made": 0,
    "poll_url": "",
    "slot": None,
    "lease_until": None,
    "lease_token": None,
    "queued_at": None,
    "queue_reason": "",
    "give_up_at": None,
    "replays": 0,
    "settled_at": None,
}
NOTHING_TO_UNDO = "nothing-to-undo"
"""The outcome of a call that was answered 404 or 410: done, for the service knows of nothing."""


def begin(job: Job, reason: Reason, *, actor: str, now: datetime, cause: Cause = Cause.NONE) -> None:
    """Take a locked, live job to `cancelling` for this reason, and take the first steps of its undoing."""
    move_job(job, JobStatus.CANCELLING, actor=actor, now=now, cause=cause, reason=reason)
    advance(job, now)


def advance(job: Job, now: datetime) -> None:
    """Under the job's lock: take every step that can be taken now, and end the job when nothing is left.

    Safe to call at any time and any number of times; on a job that has ended it only sees to late work.
    """
    while True:
        tasks = {task.task_id: task for task in job.tasks.select_related("service").prefetch_related("calls")}
        for task in tasks.values():
            task.job = job
        steps = next_steps(facts(task) for task in tasks.values())
        if not _apply(steps, tasks, now):
            break
    if steps.finished and job.status == JobStatus.CANCELLING:
        undone = all_undone(TaskStatus(task.status) for task in tasks.values())
        end = end_after_undo(Reason(job.reason), all_undone=undone)
        move_job(job, end, actor=CHOREO, now=now)


def facts(task: Task) -> TaskFacts:
    """A stored task as the plan sees it; uses the prefetched `calls`."""
    calls = task.calls.all()
    cancel = next((call.status for call in calls if call.action == CallAction.CANCEL), None)
    return TaskFacts(
        id=task.task_id,
        status=TaskStatus(task.status),
        state_changed=task.state_changed,
        started_at=task.started_at,
        caused_by=task.caused_by,
        has_cancel_url=bool(task.cancel_url),
        has_revert_url=bool(task.revert_url),
        cancel=CallStatus(cancel) if cancel else None,
        holds=any(call.holds_until is not None for call in calls if call.status in CALL_OPEN),
    )


def settle_call(call_id: int, lease_token: UUID, *, done: bool, outcome: str, now: datetime) -> bool:
    """Record for good how a claimed call ended, move its task, and go on with the job's undoing.

    False, and nothing changed, when that claim no longer holds: another worker has it, or the service's own report
    made the call needless.
    """
    with transaction.atomic():
        job = lock_job(Call.objects.values_list("job_id", flat=True).get(pk=call_id))
        call = Call.objects.select_related("task").get(pk=call_id)
        if call.status != CallStatus.RUNNING or call.lease_token != lease_token:
            return False
        call.task.job = job
        if done and outcome == NOTHING_TO_UNDO and _may_be_stale(call):
            begin_call(call.task, CallAction(call.action), now, new_key=True)
            return True
        _close(call, CallStatus.DONE if done else CallStatus.FAILED, outcome, now)
        _move_called_task(call, done=done, outcome=outcome, now=now)
        advance(job, now)
        return True


def settled_by_report(task: Task, action: CallAction, now: datetime) -> None:
    """The service itself reported what this call asks for: close the call, so that it is not made (again)."""
    for call in task.calls.filter(action=action, status__in=CALL_OPEN):
        call.task = task
        _close(call, CallStatus.DONE, "reported", now)


def begin_call(task: Task, action: CallAction, now: datetime, *, new_key: bool = False) -> bool:
    """Make the one call of this kind that a task may have due now; True when it keeps what caused the task waiting.

    An earlier one begins again under its old key, so that a service which has done it need not do it twice; with
    `new_key` it is asked anew, for a service may have kept "nothing to undo" as its answer to the old one.
    """
    holds_until = None if _fails_already(task) else now + HOLD
    begun = {
        "status": CallStatus.PENDING,
        "next_at": now,
        "reason": task.job.reason,
        "holds_until": holds_until,
    }
    Call.objects.update_or_create(
        task=task,
        action=action,
        defaults=_FRESH | begun | ({"idempotency_key": uuid4(), "created_at": now} if new_key else {}),
        create_defaults={"job": task.job, "service": task.service, "created_at": now, **begun},
    )
    wake_after_commit("jobs.sweep_calls")
    return holds_until is not None


def stop_holding(job: Job, calls: QuerySet[Call], now: datetime) -> None:
    """Under the job's lock: let what waited for these calls of the job go on; they have failed or hung for too long."""
    if calls.filter(job=job, holds_until__isnull=False).update(holds_until=None):
        advance(job, now)


def prepare_retry(job: Job, *, actor: str, now: datetime) -> None:
    """Take every task of a revertFailed job that is not undone back to where its undoing can begin again."""
    for task in job.tasks.filter(status=TaskStatus.REVERT_FAILED):
        task.job = job
        if task.state_changed or not task.cancel_url:
            move_task(task, TaskStatus.CANCELLED, actor=actor, now=now, why="retry")
        else:
            move_task(task, TaskStatus.CANCELLING, actor=actor, now=now, why="retry")
            begin_call(task, CallAction.CANCEL, now)


def _apply(steps: Steps, tasks: dict[UUID, Task], now: datetime) -> bool:
    """Take the steps; True when what they changed may make further ones possible at once."""
    each: list[tuple[list[UUID], Callable[[Task, datetime], bool]]] = [
        (steps.record_cancelled, _record_cancelled),
        (steps.call_cancel, _call_cancel),
        (steps.call_revert, _call_revert),
        (steps.give_up, _give_up),
    ]
    return any([step(tasks[task_id], now) for ids, step in each for task_id in ids])


def _record_cancelled(task: Task, now: datetime) -> bool:
    move_task(task, TaskStatus.CANCELLED, actor=CHOREO, now=now)
    return True


def _call_cancel(task: Task, now: datetime) -> bool:
    move_task(task, TaskStatus.CANCELLING, actor=CHOREO, now=now)
    return not begin_call(task, CallAction.CANCEL, now)


def _call_revert(task: Task, now: datetime) -> bool:
    move_task(task, TaskStatus.REVERTING, actor=CHOREO, now=now)
    return not begin_call(task, CallAction.REVERT, now)


def _give_up(task: Task, now: datetime) -> bool:
    why = "it gave no revert URL" if task.state_changed else "it could not be cancelled"
    move_task(task, TaskStatus.REVERT_FAILED, actor=CHOREO, now=now, cause=Cause.REVERT_FAILED, why=why)
    return True


def _close(call: Call, status: CallStatus, outcome: str, now: datetime) -> None:
    given_back = {"slot": None, "lease_until": None, "lease_token": None, "holds_until": None}
    Call.objects.filter(pk=call.pk).update(status=status, outcome=outcome, settled_at=now, **given_back)
    task = call.task
    history.record(
        task.job,
        EventKind.CALL_SETTLED,
        actor=CHOREO,
        now=now,
        task=task,
        action=call.action,
        status=status,
        outcome=outcome,
    )


def _move_called_task(call: Call, *, done: bool, outcome: str, now: datetime) -> None:
    """What the end of a call makes of its task; a failed cancel is left to the plan, which may still revert."""
    task = call.task
    if call.action == CallAction.CANCEL:
        if done and task.status == TaskStatus.CANCELLING:
            move_task(task, TaskStatus.CANCELLED, actor=CHOREO, now=now)
    elif task.status == TaskStatus.REVERTING and done:
        move_task(task, TaskStatus.REVERTED, actor=CHOREO, now=now)
    elif task.status == TaskStatus.REVERTING:
        move_task(task, TaskStatus.REVERT_FAILED, actor=CHOREO, now=now, cause=Cause.REVERT_FAILED, why=outcome)


def _fails_already(task: Task) -> bool:
    """Does a call of the same job to the same service fail right now? Then this one is not worth waiting for either."""
    calls = Call.objects.filter(job=task.job, service=task.service, status__in=CALL_OPEN)
    return calls.filter(holds_until=None).exclude(task=task).exists()


def _may_be_stale(call: Call) -> bool:
    """May this "nothing to undo" be what the service said before the late work came, kept under the key and repeated?

    So it may if any attempt under this key had begun before: its answer may have been lost, and given again to a later
    one. Under a key that was made since, the answer is what it says.
    """
    if call.action != CallAction.REVERT or call.task.late_at is None:
        return False
    return call.attempts.filter(started_at__gte=call.created_at, started_at__lt=call.task.late_at).exists()
