"""The operator UI's sidebar and dashboard."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from escalation.domain.incidents import IncidentStatus
from escalation.models import Incident
from jobs.admin.job_list import with_extras
from jobs.domain.states import CallStatus
from jobs.domain.states import JobStatus as _S
from jobs.models import Call, Job, Service
from jobs.services.clock import database_now
from jobs.services.sweeps import ages

COUNT_UP_TO = 999
"""A dashboard says "999+" rather than counting on."""

BADGE_UP_TO = 99

QUIET_SWEEP_SECONDS = 60.0

_PAGES: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("Now", [("Jobs", "account_tree", "jobs.job"), ("Incidents", "campaign", "escalation.incident")]),
    (
        "Records",
        [
            ("Tasks", "task_alt", "jobs.task"),
            ("Cancels and reverts", "undo", "jobs.call"),
            ("History", "history", "jobs.jobevent"),
            ("Error reports", "report", "jobs.errorreport"),
            ("Notifications", "mail", "escalation.notification"),
        ],
    ),
    (
        "Set up",
        [
            ("Services", "dns", "jobs.service"),
            ("Locations", "location_on", "jobs.location"),
            ("Vocabulary", "dictionary", "jobs.vocabularyterm"),
            ("Contacts", "contacts", "escalation.contact"),
            ("Policies", "call_split", "escalation.policy"),
            ("Users", "person", "auth.user"),
            ("Groups", "group", "auth.group"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar, with the pages that this person may see."""
    dashboard = {"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [
        {"title": title, "items": [_item(*page) for page in pages if _may_see(request, page[2])]}
        for title, pages in _PAGES
    ]
    groups[0]["items"].insert(0, dashboard)
    if _may_see(request, "jobs.call"):
        groups[0]["items"].append(_replay_queue())
    return [group for group in groups if group["items"]]


def _item(title: str, icon: str, model: str) -> dict[str, str]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{model.replace('.', '_')}_changelist")}


def _replay_queue() -> dict[str, str]:
    """What waits for services to come back; with its number, read off a small index, as long as it is not empty."""
    link = f"{reverse('admin:jobs_call_changelist')}?status__exact={CallStatus.QUEUED}"
    queued = Call.objects.filter(status=CallStatus.QUEUED).order_by().values_list("pk")
    waiting = len(queued[: BADGE_UP_TO + 1])
    badge = {"badge": f"{BADGE_UP_TO}+" if waiting > BADGE_UP_TO else str(waiting)} if waiting else {}
    return {"title": "Replay queue", "icon": "pending_actions", "link": link, **badge}


def _may_see(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    return request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}")


@dataclass(frozen=True)
class Tile:
    """One number of the dashboard: what it counts, how it looks, and the list behind it."""

    label: str
    number: str
    like: str
    url: str
    alarming: bool


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What `/admin/` shows beside Unfold's frame: only counts that a small index answers."""
    now = database_now()
    context |= {"title": "Dashboard", "now": now}
    context["quiet_sweeps"] = _quiet_sweeps(now)
    if request.user.has_perm("jobs.view_job"):
        context["tiles"] = _job_tiles(now)
        context["recent"] = with_extras(Job.objects.order_by("-created_at", "-id")[:8], now)
        context["first_steps"] = None if context["recent"] else _first_steps(request)
    if request.user.has_perm("escalation.view_incident"):
        context["incident_tile"] = _incident_tile()
        context["incidents"] = list(_unresolved().select_related("job")[:5])
    return context


def _job_tiles(now: datetime) -> list[Tile]:
    working, cancelling, stuck = (_with(status) for status in (_S.WORKING, _S.CANCELLING, _S.REVERT_FAILED))
    jobs = reverse("admin:jobs_job_changelist")
    return [
        _tile("Working", working, "working", f"{jobs}?status__exact=working"),
        _tile("Late", working.filter(deadline_at__lte=now), "failed", f"{jobs}?late=yes", alarm=True),
        _tile("Cancelling", cancelling, "cancelling", f"{jobs}?status__exact=cancelling"),
        _tile("Revert failed", stuck, "revertFailed", f"{jobs}?status__exact=revertFailed", alarm=True),
    ]


def _incident_tile() -> Tile:
    url = f"{reverse('admin:escalation_incident_changelist')}?status__exact=open"
    return _tile("Open incidents", _unresolved().filter(status=IncidentStatus.OPEN), "open", url, alarm=True)


def _tile(label: str, rows: QuerySet[Any], like: str, url: str, *, alarm: bool = False) -> Tile:
    count = rows.order_by()[: COUNT_UP_TO + 1].count()
    number = f"{COUNT_UP_TO}+" if count > COUNT_UP_TO else str(count)
    return Tile(label, number, like, url, alarming=alarm and count > 0)


def _with(status: _S) -> QuerySet[Job]:
    return Job.objects.filter(status=status)


def _unresolved() -> QuerySet[Incident]:
    return Incident.objects.exclude(status=IncidentStatus.RESOLVED).order_by("-opened_at", "-id")


def _quiet_sweeps(now: datetime) -> str:
    """Why nobody should trust the deadlines right now, empty when they are watched."""
    found = ages(now)
    if not found:
        return "No sweep has run yet: nothing watches deadlines until a worker and beat are running."
    late = {
        name: age for name, age in found.items() if age > max(QUIET_SWEEP_SECONDS, 5 * settings.CHOREO_SWEEP_SECONDS)
    }
    if not late:
        return ""
    named = ", ".join(f"{name} ({age:.0f} s ago)" for name, age in sorted(late.items()))
    return f"These sweeps are behind: {named}. Deadlines and calls may be late; see to the workers and beat."


def _first_steps(request: HttpRequest) -> dict[str, Any]:
    """What to do before there is any job: a token, and two requests to copy."""
    base = settings.CHOREO_PUBLIC_URL
    head = '-X PUT -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
    return {
        "has_services": Service.objects.exists(),
        "services_url": reverse("admin:jobs_service_changelist"),
        "may_issue": request.user.has_perm("jobs.change_service"),
        "issue": "TOKEN=$(uv run manage.py issue_token cart)",
        "job": f"JOB=$(python3 -c 'import uuid; print(uuid.uuid4())')\ncurl {head} {base}/api/v1/jobs/$JOB "
        """-d '{"jobName": "checkout", "jobMaxTTL": 60}'""",
        "task": f"curl {head} {base}/api/v1/jobs/$JOB/tasks/$(python3 -c 'import uuid; print(uuid.uuid4())') "
        """-d '{"taskName": "reserve stock", "taskStatus": "working"}'""",
    }
