"""Incidents: the list, the page, and the two answers to a call for help."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm

from escalation.domain.incidents import IncidentStatus
from escalation.domain.policy import Plan
from escalation.models import Incident, IncidentCause, Notification
from escalation.selectors import what_happened
from escalation.services import answering
from jobs.admin.base import ReadOnlyAdmin, dialog_action, leave_dialog
from jobs.admin.job_list import id_range
from jobs.domain.errors import ChoreoError, NotFound
from jobs.services.clock import database_now
from jobs.templatetags import display as show

_ANSWERS = {IncidentStatus.OPEN: ["acknowledge", "resolve"], IncidentStatus.ACKNOWLEDGED: ["resolve"]}


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin[Incident]):
    """Calls for help, newest first."""

    OPERATE: ClassVar[str] = "escalation.change_incident"
    list_display = ["status_chip", "severity", "summary", "job_link", "opened", "answered"]
    list_display_links = ["summary"]
    list_select_related = ["job"]
    list_filter = ["status", "severity", "cause"]
    list_fullwidth = True
    search_fields = ["summary"]
    search_help_text = "Summary, or a job ID or its beginning"
    sortable_by = ()
    fields = ()
    actions_detail: Any = ["acknowledge", "resolve"]
    change_form_template = "admin/escalation/incident/change_form.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Incident], search_term: str
    ) -> tuple[QuerySet[Incident], bool]:
        """By the beginning of the job's ID, else by a part of the summary."""
        if found := id_range(search_term.strip()):
            return queryset.filter(job__range=found), False
        return queryset.filter(summary__icontains=search_term.strip()), False

    def page_context(self, request: HttpRequest, row: Incident) -> dict[str, Any]:
        """The page itself; its actions stand in its own head, not in Unfold's."""
        answers = self.row_actions(request, row, _ANSWERS.get(IncidentStatus(row.status), []))
        return {"incident": row, "incident_actions": answers, "actions_detail": [], **_page(row)}

    @dialog_action(
        label="Acknowledge…",
        icon="front_hand",
        url_path="acknowledge",
        title="Acknowledge this incident?",
        explanation="You say that you have it in hand: nobody else is called, and who was called is told.",
        submit="Acknowledge",
    )
    def acknowledge(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Somebody has it in hand."""
        return self._answer(request, object_id, answering.acknowledge, "You have it in hand: the calling has stopped.")

    @dialog_action(
        label="Resolve…",
        icon="task_alt",
        url_path="resolve",
        title="Resolve this incident?",
        explanation="You say that it is over. What comes later opens another incident.",
        submit="Resolve",
    )
    def resolve(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """It is over."""
        return self._answer(request, object_id, answering.resolve, "The incident is resolved.")

    def _answer(self, request: HttpRequest, object_id: str, act: Callable[..., Incident], done: str) -> HttpResponse:
        incident_id = _uuid(object_id)
        now: datetime = database_now()
        try:
            act(incident_id, request.user.get_username(), now)
        except NotFound as error:
            raise Http404(error.detail) from error
        except ChoreoError as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, done)
        return leave_dialog(request, reverse("admin:escalation_incident_change", args=[incident_id]))

    @admin.display(description="Status", ordering="status")
    def status_chip(self, incident: Incident) -> SafeString:
        """Colour, shape and word."""
        return show.chip(incident.status)

    @admin.display(description="Job")
    def job_link(self, incident: Incident) -> SafeString:
        """Name and short ID, leading to the job."""
        return show.job_link(incident.job, reverse("admin:jobs_job_change", args=[incident.job_id]))

    @admin.display(description="Opened (UTC)")
    def opened(self, incident: Incident) -> SafeString | str:
        """In UTC."""
        return show.moment(incident.opened_at)

    @admin.display(description="Answered")
    def answered(self, incident: Incident) -> str:
        """By whom."""
        if incident.resolved_at:
            return f"resolved by {incident.resolved_by}"
        return f"in hand: {incident.acknowledged_by}" if incident.acknowledged_at else "nobody yet"


def _page(incident: Incident) -> dict[str, Any]:
    causes = IncidentCause.objects.filter(incident=incident).select_related("event__task", "event__job")[:50]
    notifications = Notification.objects.filter(incident=incident).order_by("created_at", "id")
    return {
        "causes": [(cause.event, what_happened(cause.event)) for cause in causes],
        "notes": list(incident.notes.all()[:200]),
        "notifications": list(notifications.prefetch_related("delivery_attempts")[:200]),
        "plan": Plan.from_json(incident.policy),
    }


def _uuid(object_id: str) -> UUID:
    try:
        return UUID(object_id)
    except ValueError as error:
        raise Http404("There is no incident of this ID.") from error
