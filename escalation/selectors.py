"""Reads: what an alert, its page and its JSON say about an incident."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery

from escalation.domain import wording
from escalation.domain.incidents import NOT_UNDONE
from escalation.domain.links import IncidentLinks, incident_links
from escalation.domain.policy import Person, Plan
from escalation.domain.text import clean
from escalation.domain.undoing import Undoing, Waiting
from escalation.models import Incident
from jobs.domain.errors import NotFound
from jobs.domain.events import Cause, EventKind
from jobs.domain.states import JOB_LIVE, CallAction, CallStatus, JobStatus, TaskStatus, was_undone
from jobs.models import Call, CallAttempt, ErrorReport, Job, JobEvent, Task

_CAUSES_SHOWN = 5
_ANSWER_LENGTH = 160
_DONE = (TaskStatus.REVERTED, TaskStatus.CANCELLED)


@dataclass(frozen=True)
class Happening:
    """One cause in words, with its moment."""

    what: str
    at: datetime


@dataclass(frozen=True)
class TaskLine:
    """A task as an alert names it: its status in words, what was tried to undo it (None: nothing was), and who undid
    it by hand, if somebody did."""

    name: str
    service: str
    status: str
    stuck: bool = False
    undoing: Undoing | None = None
    by_hand: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.service})"


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
    waiting: Waiting | None
    links: IncidentLinks

    @property
    def stuck(self) -> list[TaskLine]:
        """What could not be undone, and will not be by itself."""
        return [task for task in self.left if task.stuck]


def facts(incident: Incident) -> Facts:
    """Read them as they are now."""
    job = incident.job
    tasks = list(job.tasks.select_related("service"))
    calls, by_hand = _calls(job), _by_hand(job)
    ends_well = job.status in {*JOB_LIVE, JobStatus.COMPLETED}  # or may yet: then nothing has to be undone
    left = [task for task in tasks if _is_left(task) and not ends_well]
    done = [task for task in tasks if task not in left and (ends_well or task.status in _DONE)]
    being_undone = was_undone(JobStatus(job.status), job.reason)
    causes = incident.causes.select_related("event__task").order_by("event__at", "event_id")
    happenings = [Happening(what_happened(cause.event), cause.event.at) for cause in causes[:_CAUSES_SHOWN]]
    job_ref = wording.job_ref(job.id)
    return Facts(
        job_name=clean(job.name, wording.NAME_LENGTH),
        job_ref=job_ref,
        job_id=str(job.id),
        job_status=wording.status(job.status),
        max_ttl=job.max_ttl,
        started_at=job.started_at,
        deadline_at=job.deadline_at,
        since=happenings[0].at if happenings else incident.opened_at,
        summary=incident.summary,
        what=incident.summary.partition(f"{job_ref} ")[2],
        progress=wording.progress([TaskStatus(task.status) for task in tasks], undoing=being_undone),
        undo_state=wording.undo_state(JobStatus(job.status), undoing=being_undone, left=len(left)),
        severity=incident.severity,
        happenings=happenings,
        more_happenings=incident.causes.count() - len(happenings),
        done=[_line(task, {}, by_hand) for task in done],
        left=sorted((_line(task, calls) for task in left), key=_urgency),
        waiting=_waiting(calls.values()),
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
    title, service = (str(event.data.get(name) or "") for name in ("title", "service"))
    return wording.phrase(Cause(event.cause), task_name, title, service)


def _is_left(task: Task) -> bool:
    """Would this task still have to be undone, if everything was?"""
    if task.status in NOT_UNDONE:
        return True
    return task.started_at is not None and task.state_changed and task.status != TaskStatus.REVERTED


def _line(task: Task, calls: Mapping[int, Call], by_hand: Mapping[int, str] | None = None) -> TaskLine:
    call = calls.get(task.pk)
    return TaskLine(
        clean(task.name, wording.NAME_LENGTH),
        task.service.name,
        wording.status(task.status),
        stuck=task.status == TaskStatus.REVERT_FAILED,
        undoing=_undoing(call) if call else None,
        by_hand=(by_hand or {}).get(task.pk, ""),
    )


def _urgency(line: TaskLine) -> int:
    """What will not be undone by itself comes first, then what waits for its service."""
    return 0 if line.stuck else 1 if line.undoing and line.undoing.waits else 2


def _calls(job: Job) -> dict[int, Call]:
    """The last call of each task that any is for, with what its attempts came to, in one query."""
    answered = CallAttempt.objects.filter(call=OuterRef("pk")).exclude(outcome="").order_by("-id")
    rows = Call.objects.filter(job=job).select_related("service").order_by("created_at", "id")
    rows = rows.annotate(
        tries=Count("attempts", filter=Q(attempts__method="PUT")),
        since=Min("attempts__started_at"),
        answer=Subquery(answered.values("detail")[:1]),
        code=Subquery(answered.values("status_code")[:1]),
    )
    return {call.task_id: call for call in rows}


def _undoing(call: Call) -> Undoing:
    said = clean(getattr(call, "answer") or "", _ANSWER_LENGTH)  # noqa: B009  (an annotation, not a field)
    code = getattr(call, "code")  # noqa: B009  (likewise)
    return Undoing(
        action=CallAction(call.action),
        status=CallStatus(call.status),
        tries=getattr(call, "tries"),  # noqa: B009  (likewise)
        since=getattr(call, "since"),  # noqa: B009  (likewise)
        answer=said or (str(code) if code else clean(call.queue_reason, _ANSWER_LENGTH)),
        outcome=call.outcome,
        queued_at=call.queued_at,
        settled_at=call.settled_at,
        next_at=call.next_at,
        give_up_at=call.give_up_at,
    )


def _waiting(calls: Iterable[Call]) -> Waiting | None:
    """The calls in the replay queue; None when there is none."""
    queued = [(call, call.give_up_at) for call in calls if call.status == CallStatus.QUEUED and call.give_up_at]
    if not queued:
        return None
    ends = [until for _, until in queued if until]
    return Waiting(
        services=[call.service.name for call, _ in queued],
        actions=[CallAction(call.action) for call, _ in queued],
        until=min(ends),
        all_until=len({end.replace(second=0, microsecond=0) for end in ends}) == 1,
    )


def _by_hand(job: Job) -> dict[int, str]:
    """Who undid which task by hand, and how."""
    events = JobEvent.objects.filter(job=job, kind=EventKind.TASK_STATUS, data__has_key="note", task__isnull=False)
    told = events.order_by("id").values_list("task_id", "actor", "data__note")
    return {
        task_id: f"by hand, {clean(actor, 60)}: {clean(str(note), 300)}" for task_id, actor, note in told if task_id
    }
