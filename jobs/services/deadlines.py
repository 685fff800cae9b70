"""Enforcing max TTLs, never early: `now` is the database's clock, read once by the caller."""

import time
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from jobs.domain.events import Cause
from jobs.domain.states import CALL_OPEN, CallStatus, JobStatus, Reason, TaskStatus
from jobs.models import Call, Job, Task
from jobs.services import undo
from jobs.services.calls import LEASE
from jobs.services.history import CHOREO
from jobs.services.locks import find_job, next_overdue_job
from jobs.services.task_reports import fail_overdue

log = structlog.get_logger(__name__)

_UNDOING = [JobStatus.CANCELLING, JobStatus.CANCELLED, JobStatus.REVERT_FAILED]


def expire_due(now: datetime, *, seconds: float = 10.0) -> int:
    """Cancel every job, and fail every task, that is past its max TTL at `now`; stops after about `seconds`.

    One transaction each, so that a sweep that dies loses nothing and any number of sweeps may overlap. Returns how
    many were expired.
    """
    stop = time.monotonic() + seconds
    return _expire_jobs(now, stop) + _expire_tasks(now, stop)


def audit(now: datetime) -> int:
    """Take up again every cancelling job for which no call is open; returns how many there were.

    There should be none: each settled call advances its job in the same transaction.
    """
    open_calls = Call.objects.filter(job=OuterRef("pk"), status__in=CALL_OPEN)
    stuck = Job.objects.filter(~Exists(open_calls), status=JobStatus.CANCELLING).values_list("pk", flat=True)
    ids = list(stuck[:100])
    for job_id in ids:
        with transaction.atomic():
            job = find_job(job_id)
            if job is not None and job.status == JobStatus.CANCELLING:
                log.warning("a cancelling job stood still", job=str(job_id))
                undo.advance(job, now)
    return len(ids)


def release_holds(now: datetime, *, limit: int = 500) -> int:
    """Let go on what waits for calls that have failed or hung for too long. Returns how many jobs went on."""
    over = _held_up(now)
    job_ids = list(dict.fromkeys(over.order_by("holds_until").values_list("job", flat=True)[:limit]))
    for job_id in job_ids:
        with transaction.atomic():
            job = find_job(job_id)
            if job is not None:
                undo.stop_holding(job, over, now)
    return len(job_ids)


def _held_up(now: datetime) -> QuerySet[Call]:
    """The calls that are not worth waiting for any more.

    One that merely stands in line at a service that works keeps its place in the order, for a minute at most.
    """
    claimed_long_ago = Q(status=CallStatus.RUNNING, lease_until__lte=now + LEASE - undo.HOLD)
    hanging = Call.objects.filter(claimed_long_ago, service=OuterRef("service"))
    in_trouble = Q(attempts_made__gt=0) | Q(service__failing_since__isnull=False) | Exists(hanging)
    overdue = Q(holds_until__lte=now - undo.HOLD_UNDER_WAY)
    return Call.objects.filter(in_trouble | overdue, holds_until__lte=now)


def _expire_jobs(now: datetime, stop: float) -> int:
    count, failed = 0, set[UUID]()
    while time.monotonic() < stop:
        with transaction.atomic():
            job = next_overdue_job(now, failed)
            if job is None:
                break
            try:
                with transaction.atomic():
                    undo.begin(job, Reason.MAX_TTL, actor=CHOREO, now=now, cause=Cause.JOB_MAX_TTL)
                count += 1
            except (DatabaseError, ValueError):  # one job that cannot be moved must not keep the others waiting
                log.exception("job not expired", job=str(job.pk))
                failed.add(job.pk)
    return count


def _expire_tasks(now: datetime, stop: float) -> int:
    count = 0
    due = Task.objects.filter(status=TaskStatus.WORKING, deadline_at__lte=now).exclude(job__status__in=_UNDOING)
    for job_id, pk in list(due.order_by("deadline_at").values_list("job_id", "pk")[:1000]):
        if time.monotonic() >= stop:
            break
        with transaction.atomic():
            job = find_job(job_id)
            task = due.filter(pk=pk).first()
            if job is not None and task is not None:
                task.job = job
                fail_overdue(task, now)
                count += 1
    return count
