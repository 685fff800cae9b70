"""What services say of their own tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from jobs.domain.errors import JobCancelled, NotAllowed, NotFound
from jobs.domain.events import Cause, EventKind
from jobs.domain.preconditions import Precondition
from jobs.domain.states import (
    JOB_LIVE,
    TASK_STOPPED,
    CallAction,
    JobStatus,
    OnTaskFailure,
    Reason,
    TaskStatus,
    check_task_report,
    was_undone,
)
from jobs.models import Call, Job, Service, Task
from jobs.services import history, undo
from jobs.services.access import Written
from jobs.services.locks import lock_job
from jobs.services.tags import check_task
from jobs.services.transitions import move_task, start_times, touch_job

_DEFAULTS: dict[str, Any] = {
    "description": "",
    "max_ttl": None,
    "caused_by": None,
    "state_changed": True,
    "message": "",
    "url": "",
    "cancel_url": "",
    "revert_url": "",
}
_WORK_DONE = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED})
"""What a service says of work that is over."""


@dataclass(frozen=True)
class _Report:
    """One report as it came in: who says what of which task, when."""

    job: Job
    task_id: UUID
    service: Service
    fields: dict[str, Any]
    asked: TaskStatus | None
    traceparent: str
    now: datetime


def write_task(
    job_id: UUID,
    task_id: UUID,
    service: Service,
    values: Mapping[str, Any],
    *,
    create: bool,
    traceparent: str,
    precondition: Precondition,
    now: datetime,
) -> Written[Task]:
    """Create, replace (`create`, all of `values` given) or change a task; None stands for a field's default.

    Raises NotFound, NotAllowed, PreconditionFailed, StatusRegression, IllegalTransition; and JobCancelled for what
    comes after the job was cancelled: late work is recorded and its revert scheduled, once, before that is raised.
    """
    fields = {k: _DEFAULTS.get(k) if v is None else v for k, v in values.items() if k != "status"}
    asked = TaskStatus(values["status"]) if values.get("status") else None
    with transaction.atomic():
        job = lock_job(job_id)
        report = _Report(job, task_id, service, fields, asked, traceparent, now)
        task = _find(report, create=create, precondition=precondition)
        if not _is_refused(report, task):
            return _accept(report, task)
        _record_late_work(report, task)
    raise JobCancelled(
        f"The job is {job.status}; stop, and expect a call that reverts what was done.", jobStatus=job.status
    )


def fail_overdue(task: Task, now: datetime) -> None:
    """A task of a locked job has outlived its max TTL: it failed, and its job learns of it."""
    move_task(task, TaskStatus.FAILED, actor=history.CHOREO, now=now, cause=Cause.TASK_MAX_TTL)
    _tell_job(task.job, Reason.TASK_MAX_TTL, history.CHOREO, now)


def _find(report: _Report, *, create: bool, precondition: Precondition) -> Task | None:
    task = Task.objects.filter(job=report.job, task_id=report.task_id).first()
    if task is None and not create:
        raise NotFound("There is no task of this ID in the job.")
    if task is not None:
        task.job = report.job
        if task.service_id != report.service.pk:
            raise NotAllowed("Only the service that first wrote this task may write it.")
    check_task(precondition, task)
    return task


def _is_refused(report: _Report, task: Task | None) -> bool:
    """Once a job is being undone it takes no new work and no further results, only what tells of the undoing."""
    if not was_undone(JobStatus(report.job.status), report.job.reason):
        return False
    if task is None:
        return True
    asked = report.asked or TaskStatus(task.status)
    if asked is TaskStatus.FAILED:
        return _changed_state(report, task)
    return asked is TaskStatus.COMPLETED or (asked != task.status and asked in {TaskStatus.PENDING, TaskStatus.WORKING})


def _changed_state(report: _Report, task: Task | None) -> bool:
    return bool(report.fields.get("state_changed", task.state_changed if task else True))


def _accept(report: _Report, task: Task | None) -> Written[Task]:
    if task is None:
        return Written(_create(report), created=True)
    asked, old = report.asked, TaskStatus(task.status)
    if asked:
        check_task_report(old, asked)
    _change(report, task)
    if asked and asked is not old:
        _move(report, task, asked)
    return Written(task, created=False)


def _create(report: _Report, late: bool = False) -> Task:
    """A task may first appear in any status that its service may set."""
    status, now = report.asked or TaskStatus.WORKING, report.now
    times = start_times(now, report.fields.get("max_ttl")) if _has_started(report, status) else {}
    task = Task.objects.create(
        job=report.job,
        task_id=report.task_id,
        service=report.service,
        status=status,
        traceparent=report.traceparent,
        created_at=now,
        updated_at=now,
        stopped_at=now if status in TASK_STOPPED else None,
        late_at=now if late else None,
        **(_DEFAULTS | report.fields),
        **times,
    )
    touch_job(report.job, now)
    failed = status is TaskStatus.FAILED and not late
    cause = Cause.TASK_FAILED if failed else Cause.NONE
    history.record(
        report.job,
        EventKind.TASK_CREATED,
        actor=report.service.name,
        now=now,
        task=task,
        cause=cause,
        status=status,
        late=late,
    )
    if failed:
        _tell_job(report.job, Reason.TASK_FAILED, report.service.name, now)
    return task


def _has_started(report: _Report, status: TaskStatus) -> bool:
    """Had a task of which this is the first word begun? Its `cancelled` may have overtaken its `working`, so that it
    counts as begun if it left something behind: better a revert that finds nothing than one that is never asked for."""
    return status is not TaskStatus.PENDING and (status is not TaskStatus.CANCELLED or _changed_state(report, None))


def _change(report: _Report, task: Task) -> None:
    """Store what differs; a new max TTL moves the deadline of a task that is working."""
    traced = report.traceparent and not task.traceparent  # each repeat has a trace of its own: the first one stays
    given = report.fields | ({"traceparent": report.traceparent} if traced else {})
    changed = {name: value for name, value in given.items() if getattr(task, name) != value}
    if not changed:
        return
    if "max_ttl" in changed and task.status == TaskStatus.WORKING and task.started_at:
        seconds = changed["max_ttl"]
        changed["deadline_at"] = task.started_at + timedelta(seconds=seconds) if seconds else None
    for name, value in changed.items():
        setattr(task, name, value)
    task.version, task.updated_at = task.version + 1, report.now
    task.save(update_fields=[*changed, "version", "updated_at"])
    touch_job(report.job, report.now)
    names = sorted(set(changed) - {"deadline_at"})
    history.record(
        report.job, EventKind.TASK_CHANGED, actor=report.service.name, now=report.now, task=task, changed=names
    )


def _move(report: _Report, task: Task, to: TaskStatus) -> None:
    """Take the step that the report tells of, with all that follows from it for the job and for calls under way."""
    actor, now, job = report.service.name, report.now, report.job
    undoing = was_undone(JobStatus(job.status), job.reason)
    cause = Cause.TASK_FAILED if to is TaskStatus.FAILED and not undoing else Cause.NONE
    move_task(task, to, actor=actor, now=now, cause=cause)
    if undoing:
        undo.settled_by_report(task, CallAction.CANCEL, now)
        if to is TaskStatus.REVERTED:
            undo.settled_by_report(task, CallAction.REVERT, now)
        undo.advance(job, now)
    elif to is TaskStatus.FAILED:
        _tell_job(job, Reason.TASK_FAILED, actor, now)


def _tell_job(job: Job, reason: Reason, actor: str, now: datetime) -> None:
    """A task failed: cancel its job, unless that has ended or only wants to be told."""
    if job.status in JOB_LIVE and job.on_task_failure == OnTaskFailure.CANCEL:
        undo.begin(job, reason, actor=actor, now=now)


def _record_late_work(report: _Report, task: Task | None) -> None:
    """Keep a result that came too late and see that it is reverted, however often it is repeated."""
    asked, now = report.asked, report.now
    if asked not in _WORK_DONE:
        return
    if task is None:
        task = _create(report, late=True)
    elif task.late_at is None and not _was_in_time(task):
        _mark_late(report, task, asked)
    else:
        return
    undo.advance(report.job, now)


def _was_in_time(task: Task) -> bool:
    """Did its result come before the job was cancelled? Then this is a repeat, and its revert is known of.

    That it outlived its max TTL is no result: it may be at work still.
    """
    told = Q(kind=EventKind.TASK_CREATED, data__status__in=_WORK_DONE)
    told |= Q(kind=EventKind.TASK_STATUS, data__new__in=_WORK_DONE)
    return task.events.filter(told).exclude(actor=history.CHOREO).exists()


def _mark_late(report: _Report, task: Task, asked: TaskStatus) -> None:
    _change(report, task)
    task.state_changed = _changed_state(report, task)
    task.late_at = report.now
    task.started_at = task.started_at or report.now
    task.save(update_fields=["late_at", "started_at", "state_changed"])
    _tell_of_late_work(report, task, asked)
    if task.status == TaskStatus.WORKING:
        move_task(task, asked, actor=report.service.name, now=report.now)
    elif task.status == TaskStatus.REVERTED and _found_nothing(task):
        move_task(task, TaskStatus.REVERTING, actor=history.CHOREO, now=report.now, why="late work")
        undo.begin_call(task, CallAction.REVERT, report.now, new_key=True)


def _tell_of_late_work(report: _Report, task: Task, asked: TaskStatus) -> None:
    """In the history; and, if an operator has said that the task is undone, to a human. Whether it was this work that
    was undone by hand nobody can know here, and a revert might undo it twice."""
    help_with: dict[str, Any] = {}
    if task.status == TaskStatus.REVERTED and _was_marked(task):
        help_with = {"cause": Cause.HALTING_ERROR, "title": f"{task.name} was done after it was marked undone by hand"}
    history.record(
        report.job,
        EventKind.TASK_LATE,
        actor=report.service.name,
        now=report.now,
        task=task,
        reported=asked,
        **help_with,
    )


def _was_marked(task: Task) -> bool:
    """Is it reverted on an operator's word, given before this result came to light?"""
    marked = task.events.filter(kind=EventKind.TASK_STATUS, data__new=TaskStatus.REVERTED).order_by("-id").first()
    return marked is not None and "note" in marked.data


def _found_nothing(task: Task) -> bool:
    """Had its revert call found nothing to undo? Then what has come to light since still needs one."""
    return Call.objects.filter(task=task, action=CallAction.REVERT, outcome=undo.NOTHING_TO_UNDO).exists()
