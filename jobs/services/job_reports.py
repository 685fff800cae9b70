"""What initiators and operators say of whole jobs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from jobs.domain.errors import IllegalTransition, NotFound
from jobs.domain.events import Cause, EventKind
from jobs.domain.preconditions import Precondition
from jobs.domain.states import (
    JOB_LIVE,
    JobStatus,
    OnTaskFailure,
    Reason,
    next_job_status,
    was_undone,
)
from jobs.models import Job, Service
from jobs.services import history, undo
from jobs.services.access import Written, require_owner
from jobs.services.locks import find_job, lock_job
from jobs.services.tags import check_job
from jobs.services.transitions import move_job, start_times, touch_job

_FIELDS = ("name", "description", "max_ttl", "on_task_failure", "plan")


def write_job(
    job_id: UUID,
    service: Service,
    values: Mapping[str, Any],
    *,
    create: bool,
    precondition: Precondition,
    now: datetime,
) -> Written[Job]:
    """Create, replace (`create`, all of `values` given) or change a job; None stands for a field's default.

    Raises NotFound, NotAllowed, PreconditionFailed or IllegalTransition.
    """
    fields = {name: _default(name) if values[name] is None else values[name] for name in _FIELDS if name in values}
    asked = JobStatus(values["status"]) if values.get("status") else None
    try:
        with transaction.atomic():
            return _write(job_id, service, fields, asked, create=create, precondition=precondition, now=now)
    except IntegrityError:  # two created it at once: this one lost, and is now a repeat
        with transaction.atomic():
            return _write(job_id, service, fields, asked, create=False, precondition=precondition, now=now)


def request_cancellation(job_id: UUID, service: Service, *, precondition: Precondition, now: datetime) -> Job:
    """The initiator asks for cancel and Revert Them All; asking again changes nothing.

    Raises NotFound, NotAllowed, PreconditionFailed, or IllegalTransition when the job has ended without being undone.
    """
    with transaction.atomic():
        job = lock_job(job_id)
        require_owner(job, service)
        check_job(precondition, job)
        _cancel(job, service.name, now)
        return job


def cancel_as_operator(job_id: UUID, operator: str, *, now: datetime) -> Job:
    """An operator asks for the same. Raises NotFound or IllegalTransition."""
    with transaction.atomic():
        job = lock_job(job_id)
        _cancel(job, operator, now)
        return job


def retry_reverts(job_id: UUID, operator: str, *, now: datetime) -> Job:
    """An operator has what is not undone tried again. Raises NotFound, or IllegalTransition unless revertFailed."""
    with transaction.atomic():
        job = lock_job(job_id)
        if job.status != JobStatus.REVERT_FAILED:
            raise IllegalTransition(f"The job is {job.status}; only a revertFailed one can be retried.")
        move_job(job, JobStatus.CANCELLING, actor=operator, now=now)
        undo.prepare_retry(job, actor=operator, now=now)
        undo.advance(job, now)
        return job


def _cancel(job: Job, actor: str, now: datetime) -> None:
    if was_undone(JobStatus(job.status), job.reason):
        return
    if job.status not in JOB_LIVE:
        raise IllegalTransition(
            f"The job is {job.status}; it cannot become cancelling.", jobStatus=job.status, requested="cancelling"
        )
    undo.begin(job, Reason.CANCELLATION, actor=actor, now=now)


def _write(
    job_id: UUID,
    service: Service,
    fields: dict[str, Any],
    asked: JobStatus | None,
    *,
    create: bool,
    precondition: Precondition,
    now: datetime,
) -> Written[Job]:
    job = find_job(job_id)
    if job is None:
        if not create:
            raise NotFound("There is no job of this ID.")
        precondition.check(None)
        return Written(_create(job_id, service, fields, asked or JobStatus.WORKING, now), created=True)
    require_owner(job, service)
    check_job(precondition, job)
    on_failure = OnTaskFailure(fields.get("on_task_failure", job.on_task_failure))
    old = JobStatus(job.status)
    new = next_job_status(old, asked, reason=job.reason, on_failure=on_failure) if asked else old
    _change(job, fields, service.name, now)
    _go_to(job, new, service.name, now)
    return Written(job, created=False)


def _create(job_id: UUID, service: Service, fields: dict[str, Any], status: JobStatus, now: datetime) -> Job:
    """A job may first appear in any status; one that appears failed is undone like any other."""
    values = {name: _default(name) for name in _FIELDS if name != "name"} | fields
    first = JobStatus.PENDING if status in {JobStatus.PENDING, JobStatus.FAILED} else JobStatus.WORKING
    times = {} if first is JobStatus.PENDING else start_times(now, values["max_ttl"])
    job = Job.objects.create(id=job_id, owner=service, status=first, created_at=now, updated_at=now, **values, **times)
    history.record(job, EventKind.JOB_CREATED, actor=service.name, now=now, status=first)
    new = next_job_status(first, status, reason="", on_failure=OnTaskFailure(job.on_task_failure))
    _go_to(job, new, service.name, now)
    return job


def _change(job: Job, fields: dict[str, Any], actor: str, now: datetime) -> None:
    """Store what differs; a new max TTL moves the deadline of a job that is working."""
    changed = {name: value for name, value in fields.items() if getattr(job, name) != value}
    if not changed:
        return
    updates = dict(changed)
    if "max_ttl" in changed and job.status == JobStatus.WORKING and job.started_at:
        updates["deadline_at"] = job.started_at + timedelta(seconds=changed["max_ttl"])
    Job.objects.filter(pk=job.pk).update(**updates)
    for name, value in updates.items():
        setattr(job, name, value)
    touch_job(job, now)
    history.record(job, EventKind.JOB_CHANGED, actor=actor, now=now, changed=sorted(changed))


def _go_to(job: Job, new: JobStatus, actor: str, now: datetime) -> None:
    if new == job.status:
        return
    if new is JobStatus.CANCELLING:
        undo.begin(job, Reason.JOB_FAILED, actor=actor, now=now)
    else:
        move_job(job, new, actor=actor, now=now, cause=Cause.NONE)


def _default(name: str) -> Any:
    return {
        "description": "",
        "max_ttl": settings.CHOREO_DEFAULT_JOB_MAX_TTL,
        "on_task_failure": OnTaskFailure.CANCEL,
        "plan": None,
    }[name]
