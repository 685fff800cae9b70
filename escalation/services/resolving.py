"""Incidents that their jobs put an end to."""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from escalation.domain.incidents import ENDED_WELL_ONCE_UNDONE, NOT_UNDONE, IncidentStatus, ended_well
from escalation.models import Incident
from escalation.services.answering import resolve_locked
from escalation.services.transitions import CHOREO, lock_incident
from jobs.domain.states import JobStatus
from jobs.models import Task

log = structlog.get_logger(__name__)

_BATCH = 500


def resolve_ended(now: datetime) -> int:
    """Resolve the incidents whose jobs have ended well; how many. Any number of sweeps may run at once."""
    return sum(_resolve(pk, now) for pk in _candidates().values_list("pk", flat=True)[:_BATCH])


def _candidates() -> QuerySet[Incident]:
    """The same rule as `ended_well`, for the database to find few rows by; the rule itself decides under the lock."""
    open_tasks = Task.objects.filter(job=OuterRef("job"), status__in=NOT_UNDONE)
    completed = Q(job__status=JobStatus.COMPLETED, job__stopped_at__gte=F("last_cause_at"))
    undone = Q(needs_human=False, job__status__in=ENDED_WELL_ONCE_UNDONE) & ~Q(
        job__status=JobStatus.FAILED, job__reason=""
    )
    unresolved = Incident.objects.exclude(status=IncidentStatus.RESOLVED)
    return unresolved.filter(completed | (undone & ~Exists(open_tasks)))


def _resolve(pk: UUID, now: datetime) -> bool:
    try:
        with transaction.atomic():
            incident = lock_incident(pk)
            return _has_ended_well(incident) and resolve_locked(incident, CHOREO, now, why=_why(incident))
    except Exception:  # one that cannot be resolved must not keep the others from it
        log.exception("incident not resolved", incident=str(pk))
        return False


def _has_ended_well(incident: Incident) -> bool:
    job = incident.job
    return ended_well(
        JobStatus(job.status),
        job.reason,
        open_tasks=job.tasks.filter(status__in=NOT_UNDONE).exists(),
        stays=incident.needs_human,
        stopped_since=job.stopped_at is not None and job.stopped_at >= incident.last_cause_at,
    )


def _why(incident: Incident) -> str:
    if incident.job.status == JobStatus.COMPLETED:
        return "The job was completed."
    return f"The job is {incident.job.status} and everything is undone."
