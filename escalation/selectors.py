"""Reads: what an alert, its page and its JSON say about an incident."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from escalation.domain import wording
from escalation.domain.incidents import NOT_UNDONE
from escalation.domain.links import IncidentLinks, incident_links
from escalation.domain.policy import Person, Plan
from escalation.domain.text import clean
from escalation.models import Incident
from jobs.domain.errors import NotFound
from jobs.domain.events import Cause
from jobs.domain.states import JobStatus, TaskStatus, was_undone
from jobs.models import ErrorReport, JobEvent, Task

_CAUSES_SHOWN = 5
_TASKS_SHOWN = 12


@dataclass(frozen=True)
class Happening:
    """One cause in words, with its moment."""

    what: str
    at: datetime


@dataclass(frozen=True)
class TaskLine:
    """A task as an alert names it."""

    name: str
    service: str
    status: str


@dataclass(frozen=True)
class Facts:
    """All that a message about an incident is made from; text of services is already cleaned."""

    job_name: str
    job_ref: str
    job_id: str
    job_status: str
    max_ttl: int
    started_at: datetime | None
    deadline_at: datetime | None
    since: datetime
    summary: str
    what: str
    progress: str
    undo_state: str
    severity: str
    happenings: list[Happening]
    more_happenings: int
    done: list[TaskLine]
    left: list[TaskLine]
    more_left: int
    links: IncidentLinks


def facts(incident: Incident) -> Facts:
    """Read them as they are now."""
    job = incident.job
    tasks = list(job.tasks.select_related("service"))
    left = [_line(task) for task in tasks if _is_left(task)]
    undoing = was_undone(JobStatus(job.status), job.reason)
    causes = incident.causes.select_related("event__task").order_by("event__at", "event_id")
    happenings = [Happening(what_happened(cause.event), cause.event.at) for cause in causes[:_CAUSES_SHOWN]]
    job_ref = wording.job_ref(job.id)
    return Facts(
        job_name=clean(job.name, wording.NAME_LENGTH),
        job_ref=job_ref,
        job_id=str(job.id),
        job_status=job.status,
        max_ttl=job.max_ttl,
        started_at=job.started_at,
        deadline_at=job.deadline_at,
        since=happenings[0].at if happenings else incident.opened_at,
        summary=incident.summary,
        what=incident.summary.partition(f"{job_ref} ")[2],
        progress=wording.progress([TaskStatus(task.status) for task in tasks], undoing=undoing),
        undo_state=wording.undo_state(JobStatus(job.status), undoing=undoing, left=len(left)),
        severity=incident.severity,
        happenings=happenings,
        more_happenings=incident.causes.count() - len(happenings),
        done=[_line(task) for task in tasks if task.status in {TaskStatus.REVERTED, TaskStatus.CANCELLED}],
        left=left[:_TASKS_SHOWN],
        more_left=max(len(left) - _TASKS_SHOWN, 0),
        links=links_of(incident),
    )


def links_of(incident: Incident) -> IncidentLinks:
    """The four links of the pattern: the error report is the latest halting one, else the latest, else their list."""
    report = ErrorReport.objects.filter(job_id=incident.job_id).order_by("-halting", "-created_at", "-id").first()
    return incident_links(
        settings.CHOREO_PUBLIC_URL, incident.job_id, incident.pk, report.report_id if report else None
    )


def incidents_of(job_id: UUID) -> QuerySet[Incident]:
    """A job's calls for help, the newest first."""
    return Incident.objects.filter(job_id=job_id).order_by("-opened_at", "-id")


def find_incident(job_id: UUID, incident_id: UUID) -> Incident:
    """One of them. Raises NotFound."""
    if (row := Incident.objects.filter(pk=incident_id, job_id=job_id).first()) is None:
        raise NotFound("The job has no incident of this ID.")
    return row


def person_in(incident: Incident, contact_id: int) -> Person | None:
    """A contact as the incident's policy froze it, None for one who is not in it."""
    return next((p for p in Plan.from_json(incident.policy).people if p.id == contact_id), None)


def what_happened(event: JobEvent) -> str:
    """A history entry that calls for help, in words."""
    task_name = event.task.name if event.task else ""
    return wording.phrase(Cause(event.cause), task_name, str(event.data.get("title") or ""))


def _is_left(task: Task) -> bool:
    """Would this task still have to be undone, if everything was?"""
    if task.status in NOT_UNDONE:
        return True
    return task.started_at is not None and task.state_changed and task.status != TaskStatus.REVERTED


def _line(task: Task) -> TaskLine:
    return TaskLine(clean(task.name, wording.NAME_LENGTH), task.service.name, task.status)
