"""The only place where the status of a job or a task changes.

Each move is an update guarded by the old status, with its history entry in the same transaction.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from jobs.domain.events import Cause, EventKind
from jobs.domain.states import (
    JOB_LIVE,
    JOB_MOVES,
    JOB_TERMINAL,
    TASK_MOVES,
    TASK_STOPPED,
    JobStatus,
    TaskStatus,
)
from jobs.models import Job, Task
from jobs.services import history


class LostRace(Exception):
    """Another writer moved the row first; cannot happen while the job is locked."""


def touch_job(job: Job, now: datetime) -> None:
    """Count one more version of a job, since it or something of it has changed."""
    Job.objects.filter(pk=job.pk).update(version=F("version") + 1, updated_at=now)
    job.version, job.updated_at = job.version + 1, now


def start_times(now: datetime, max_ttl: int | None) -> dict[str, datetime | None]:
    """Start, and the deadline that follows from it."""
    return {"started_at": now, "deadline_at": now + timedelta(seconds=max_ttl) if max_ttl else None}


def move_job(
    job: Job, to: JobStatus, *, actor: str, now: datetime, cause: Cause = Cause.NONE, reason: str | None = None
) -> None:
    """Take a locked job to another status. Raises LostRace, or ValueError for a move that does not exist."""
    old = JobStatus(job.status)
    if to not in JOB_MOVES[old]:
        raise ValueError(f"No job moves from {old} to {to}.")
    values: dict[str, Any] = {"status": to, "updated_at": now}
    if reason is not None:
        values["reason"] = reason
    if job.started_at is None and old in JOB_LIVE and to is not JobStatus.CANCELLING:
        values |= start_times(now, job.max_ttl)
    values["stopped_at"] = now if to in JOB_TERMINAL else None
    _guarded(Job, job, old, values)
    history.record(job, EventKind.JOB_STATUS, actor=actor, now=now, cause=cause, old=old, new=to, reason=job.reason)


def move_task(
    task: Task, to: TaskStatus, *, actor: str, now: datetime, cause: Cause = Cause.NONE, **data: object
) -> None:
    """Take a task of a locked job to another status. Raises LostRace, or ValueError for a move that does not exist."""
    old = TaskStatus(task.status)
    if to not in TASK_MOVES[old]:
        raise ValueError(f"No task moves from {old} to {to}.")
    values: dict[str, Any] = {"status": to, "updated_at": now}
    if task.started_at is None and to in {TaskStatus.WORKING, TaskStatus.COMPLETED, TaskStatus.FAILED}:
        values |= start_times(now, task.max_ttl)
    if task.stopped_at is None and to in TASK_STOPPED:
        values["stopped_at"] = now
    _guarded(Task, task, old, values)
    touch_job(task.job, now)
    history.record(
        task.job, EventKind.TASK_STATUS, actor=actor, now=now, task=task, cause=cause, old=old, new=to, **data
    )


def _guarded(model: type[Job] | type[Task], row: Job | Task, old: str, values: dict[str, Any]) -> None:
    """Update on (id, old status), and carry the new values over to the instance at hand."""
    key: Any = row.pk
    if not model._default_manager.filter(pk=key, status=old).update(version=F("version") + 1, **values):
        raise LostRace(f"{row} is no longer {old}.")
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
