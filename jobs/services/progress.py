"""The progress resource, rendered once for each version of a job and served from then on as it is."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from jobs.domain.errors import NotFound
from jobs.models import Job, JobProgress, Task
from jobs.selectors import tasks_of
from jobs.services.locks import lock_job

Render = Callable[[Job, Sequence[Task]], bytes]


@dataclass(frozen=True)
class Progress:
    """What is served: the body's bytes, its strong entity tag, when it last changed, and the job's status then."""

    body: bytes
    etag: str
    modified_at: datetime
    job_status: str


def progress_of(job_id: UUID, render: Render) -> Progress:
    """The progress of the job's present version: one query while that has been rendered before.

    Status and body come out of one statement, and a job's version only ever grows, so that who polls never sees
    anything go backwards. Raises NotFound.
    """
    row = JobProgress.objects.filter(job_id=job_id, version=F("job__version")).values_list(
        "body", "etag", "modified_at", "job__status"
    )
    if (found := row.first()) is not None:
        body, etag, modified_at, status = found
        return Progress(bytes(body), etag, modified_at, status)
    if not Job.objects.filter(pk=job_id).exists():
        raise NotFound("There is no job of this ID.")
    return _rendered(job_id, render)


@transaction.atomic
def _rendered(job_id: UUID, render: Render) -> Progress:
    """Render what the locked job is now, and keep it. The tag is the body's own, so it and the time of the last change
    outlive a version that changed nothing which is shown here."""
    job = lock_job(job_id)
    body = render(job, list(tasks_of(job)))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    old = JobProgress.objects.filter(job=job).first()
    modified_at = old.modified_at if old is not None and old.etag == etag else job.updated_at
    JobProgress.objects.update_or_create(
        job=job, defaults={"version": job.version, "etag": etag, "modified_at": modified_at, "body": body}
    )
    return Progress(body, etag, modified_at, job.status)
