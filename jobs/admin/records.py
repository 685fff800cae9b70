"""Tasks, history, error reports and locations as lists of their own: machine-written, to be read only."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm

from jobs.admin.base import ReadOnlyAdmin, dialog_action, leave_dialog
from jobs.admin.history_words import sentence
from jobs.admin.job_list import id_range
from jobs.admin.queue_dialogs import MarkUndoneForm, find_task, undo_section
from jobs.domain.errors import ChoreoError
from jobs.models import ErrorReport, JobEvent, Location, Task
from jobs.services import by_hand
from jobs.services.clock import database_now
from jobs.templatetags import display as show


class OfAJob[M: Model](ReadOnlyAdmin[M]):
    """Rows that belong to a job: their page is a part of the job's page, `anchor`."""

    anchor: ClassVar[str] = ""
    list_select_related = ["job"]
    list_fullwidth = True

    def row_anchor(self, row: M) -> str:
        """The fragment of the job page where this row is."""
        return self.anchor

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """To the row on its job's page."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request):
            response: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
            return response
        url = reverse("admin:jobs_job_change", args=[getattr(row, "job_id")])  # noqa: B009  (M has no such field)
        return HttpResponseRedirect(f"{url}#{self.row_anchor(row)}")

    @admin.display(description="Job")
    def job_link(self, row: Any) -> SafeString:
        """Name and short ID, leading to the job."""
        return show.job_link(row.job, reverse("admin:jobs_job_change", args=[row.job_id]))


@admin.register(Task)
class TaskAdmin(OfAJob[Task]):
    """Every task of every job, newest first."""

    OPERATE: ClassVar[str] = "jobs.change_job"
    list_display = ["status_chip", "name", "short_id", "job_link", "service", "started", "took", "message"]
    list_display_links = ["name"]
    list_select_related = ["job", "service"]
    list_filter = ["status", "service"]
    search_fields = ["name"]
    search_help_text = "Task ID or its beginning, or exact name"
    ordering = ["-id"]
    sortable_by = ()
    actions_detail: Any = ["mark_undone"]

    @dialog_action(
        label="Mark as undone by hand…",
        icon="back_hand",
        danger=True,
        url_path="mark-undone",
        title="Did you undo by hand what this task left behind?",
        form_class=MarkUndoneForm,
        submit="Mark as undone",
    )
    def mark_undone(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """On the operator's word, it is reverted."""
        task = find_task(object_id)
        try:
            note = str(form.cleaned_data["note"])
            by_hand.mark_undone(task.job_id, task.task_id, request.user.get_username(), note=note, now=database_now())
        except ChoreoError as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, f"The task {task.name} is marked as undone.")
        return leave_dialog(request, undo_section(task.job_id))

    def row_anchor(self, row: Task) -> str:
        """The task's own line."""
        return f"task-{row.task_id}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """By the beginning of the ID, else by exact name."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if found := id_range(term):
            return queryset.filter(task_id__range=found), False
        return queryset.filter(name=term), False

    @admin.display(description="Status")
    def status_chip(self, task: Task) -> SafeString:
        """Colour, shape and word."""
        return show.chip(task.status)

    @admin.display(description="ID")
    def short_id(self, task: Task) -> SafeString:
        """The first eight characters, all of it on hover."""
        return format_html('<code title="{}">{}</code>', task.task_id, show.short(task.task_id))

    @admin.display(description="Started")
    def started(self, task: Task) -> SafeString | str:
        """In UTC."""
        return show.moment(task.started_at)

    @admin.display(description="Took")
    def took(self, task: Task) -> str:
        """From start to stop, once it has stopped."""
        if task.started_at is None or task.stopped_at is None:
            return "—"
        return show.duration((task.stopped_at - task.started_at).total_seconds())


@admin.register(JobEvent)
class JobEventAdmin(OfAJob[JobEvent]):
    """The history of all jobs, newest first."""

    anchor = "history"
    list_display = ["at_utc", "what", "job_link", "actor", "calls_for_help"]
    list_display_links = ["what"]
    list_select_related = ["job", "task"]
    list_filter = ["kind", "cause"]
    ordering = ["-id"]
    sortable_by = ()

    @admin.display(description="When (UTC)")
    def at_utc(self, event: JobEvent) -> SafeString | str:
        """In UTC."""
        return show.moment(event.at)

    @admin.display(description="What")
    def what(self, event: JobEvent) -> str:
        """In words."""
        return sentence(event)

    @admin.display(description="Calls for help")
    def calls_for_help(self, event: JobEvent) -> SafeString | str:
        """Why, if it does."""
        return format_html('<b class="ch-late">{}</b>', show.words(event.cause)) if event.cause else ""


@admin.register(ErrorReport)
class ErrorReportAdmin(OfAJob[ErrorReport]):
    """What services reported as gone wrong, newest first."""

    anchor = "reports"
    list_display = ["at_utc", "title_or_id", "halts", "job_link", "service"]
    list_display_links = ["title_or_id"]
    list_select_related = ["job", "service"]
    list_filter = ["halting", "service"]
    ordering = ["-id"]
    sortable_by = ()

    @admin.display(description="When (UTC)")
    def at_utc(self, report: ErrorReport) -> SafeString | str:
        """In UTC."""
        return show.moment(report.created_at)

    @admin.display(description="Title")
    def title_or_id(self, report: ErrorReport) -> str:
        """The problem's title."""
        return str(report)

    @admin.display(description="Halting")
    def halts(self, report: ErrorReport) -> SafeString | str:
        """Does it call for help?"""
        return format_html('<b class="ch-late">{}</b>', "halting") if report.halting else "no"


@admin.register(Location)
class LocationAdmin(ReadOnlyAdmin[Location]):
    """The service registry: where services say that they are."""

    list_display = ["url", "service", "kind", "priority", "lease"]
    list_select_related = ["service"]
    list_filter = ["kind", "service"]
    search_fields = ["url"]
    search_help_text = "URL"
    fields = ["service", "location_id", "url", "kind", "priority", "lease_seconds", "lease_expires_at", "updated_at"]
    ordering = ["service__name", "priority", "pk"]
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Location]:
        """With whether each lease still runs, by one reading of the clock."""
        queryset: QuerySet[Location] = super().get_queryset(request)
        return queryset.annotate(is_live=ExpressionWrapper(Q(lease_expires_at__gt=database_now()), BooleanField()))

    @admin.display(description="Lease (UTC)")
    def lease(self, location: Any) -> SafeString:
        """Until when, or since when not."""
        word = show.chip_as("live", "completed") if location.is_live else show.chip_as("ran out", "cancelled")
        return format_html("{} {}", word, show.moment(location.lease_expires_at))
