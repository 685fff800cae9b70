"""What services report as gone wrong; a halting report calls for help."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from jobs.domain.errors import NotAllowed
from jobs.domain.events import Cause, EventKind
from jobs.domain.preconditions import Precondition, etag
from jobs.models import ErrorReport, Job, Service
from jobs.services import history
from jobs.services.access import Written, require_participant
from jobs.services.locks import lock_job


def write_report(
    job_id: UUID,
    report_id: UUID,
    service: Service,
    body: dict[str, Any],
    *,
    precondition: Precondition,
    now: datetime,
) -> Written[ErrorReport]:
    """Keep a problem (RFC 9457) that a participant reports; `taskID` and `halting` are read out of `body`.

    A report may be written again by its author. It calls for help when it is halting and was not before.
    Raises NotFound, NotAllowed or PreconditionFailed.
    """
    with transaction.atomic():
        job = lock_job(job_id)
        require_participant(job, service)
        old = ErrorReport.objects.filter(job=job, report_id=report_id).first()
        if old is not None and old.service_id != service.pk:
            raise NotAllowed("Only the service that first wrote this report may write it.")
        precondition.check(etag("r", old.version) if old else None)
        if old is not None and old.body == body:
            return Written(old, created=False)
        return Written(_store(job, report_id, service, body, old, now), created=old is None)


def _store(
    job: Job, report_id: UUID, service: Service, body: dict[str, Any], old: ErrorReport | None, now: datetime
) -> ErrorReport:
    halting = bool(body.get("halting"))
    calls = halting and not (old and old.halting)
    report = old or ErrorReport(job=job, report_id=report_id, service=service, created_at=now, version=0)
    report.body, report.halting, report.updated_at = body, halting, now
    report.title = str(body.get("title") or "")[:500]
    report.task_id = UUID(body["taskID"]) if body.get("taskID") else None
    report.version += 1
    report.save()
    history.record(
        job,
        EventKind.REPORT_WRITTEN,
        actor=service.name,
        now=now,
        cause=Cause.HALTING_ERROR if calls else Cause.NONE,
        reportID=str(report_id),
        title=report.title,
        halting=halting,
    )
    return report
