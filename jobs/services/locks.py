"""Every lock of this app, in one place.

The order is always job, then what belongs to it: whoever changes a task, a call or the state of a job holds the job's
row first, so that no two writers of one job can meet in another order. SQLite has one writer at a time anyway
(IMMEDIATE transactions) and ignores FOR UPDATE.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from jobs.domain.errors import NotFound
from jobs.domain.states import CallStatus, JobStatus
from jobs.models import Call, Job


def find_job(job_id: UUID) -> Job | None:
    """The job, locked until the transaction ends, or None."""
    return Job.objects.select_for_update(of=("self",)).select_related("owner").filter(pk=job_id).first()


def lock_job(job_id: UUID) -> Job:
    """The job, locked until the transaction ends. Raises NotFound."""
    if (job := find_job(job_id)) is None:
        raise NotFound("There is no job of this ID.")
    return job


def next_overdue_job(now: datetime, skip: Collection[UUID]) -> Job | None:
    """The longest overdue job that nobody else is at, locked. `skip` holds those that failed in this sweep."""
    return (
        Job.objects.select_for_update(skip_locked=True)
        .filter(status=JobStatus.WORKING, deadline_at__lte=now)
        .exclude(pk__in=skip)
        .order_by("deadline_at")
        .first()
    )


def claim_call(now: datetime, lease: timedelta) -> Call | None:
    """The call that is due the longest and that nobody else is at, made this caller's own until `now + lease`; None
    if none is due. With its task and service.

    Due is what is pending at or after its time, and what a worker left running that died. The call's row alone is
    locked, and nothing after it in this transaction may lock a job: this is the one place that begins with the call.
    """
    free = Call.objects.select_for_update(skip_locked=True, of=("self",)).select_related("task__service")
    lost = free.filter(status=CallStatus.RUNNING, lease_until__lte=now)
    due = free.filter(status=CallStatus.PENDING, next_at__lte=now)
    call = lost.order_by("next_at", "id").first() or due.order_by("next_at", "id").first()
    if call is None:
        return None
    call.status, call.lease_until, call.lease_token = CallStatus.RUNNING, now + lease, uuid4()
    call.save(update_fields=["status", "lease_until", "lease_token"])
    return call
