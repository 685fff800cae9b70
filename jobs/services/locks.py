"""Every lock of this app, in one place.

The order is always job, then what belongs to it: whoever changes a task, a call or the state of a job holds the job's
row first, so that no two writers of one job can meet in another order. SQLite has one writer at a time anyway
(IMMEDIATE transactions) and ignores FOR UPDATE.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from jobs.domain.errors import NotFound
from jobs.domain.states import JobStatus
from jobs.models import Job


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
