"""The jobs list, the job page, and what an operator can do to a job."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.views import ChangeList

from jobs.admin.base import ReadOnlyAdmin, dialog_action, leave_dialog
from jobs.admin.job_list import DayFilter, JobChangeList, LateFilter, NameFilter, PeriodFilter, listed, search_jobs
from jobs.admin.job_page import REFRESH_SECONDS, JobPage, read_job_page
from jobs.admin.undo_dialogs import CancelForm, RetryForm, find_job
from jobs.domain.errors import ChoreoError
from jobs.domain.states import JOB_LIVE, JobStatus
from jobs.models import Job
from jobs.services import job_reports
from jobs.services.clock import database_now
from jobs.templatetags import display as show

_ACTIONS_OF = {status: ["cancel_and_revert"] for status in JOB_LIVE} | {JobStatus.REVERT_FAILED: ["retry_reverts"]}
_RESOURCES = ("progress", "shared-state", "error-reports")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin[Job]):
    """Jobs, newest first."""

    OPERATE: ClassVar[str] = "jobs.change_job"
    list_display = ["status_chip", "name_link", "short_id", "owner", "created", "ttl", "tasks_strip", "badges"]
    list_display_links = ["name_link"]
    list_select_related = ["owner"]
    list_filter = ["status", LateFilter, PeriodFilter, DayFilter, NameFilter, "owner"]
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["name"]
    search_help_text = "Job ID or its first 8 characters, name, service"
    ordering = ["-created_at", "-id"]
    fields = ()
    actions_detail: Any = ["cancel_and_revert", "retry_reverts"]
    change_form_template = "admin/jobs/job/change_form.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that reads a page's tasks and badges at once."""
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Search by ID, name or service; never yields a job twice."""
        return (search_jobs(queryset, search_term) if search_term.strip() else queryset), False

    def get_urls(self) -> list[URLPattern]:
        """Besides Django's own: the fragment that the page reads again and again while the job runs."""
        live = path("<uuid:job_id>/live/", self.admin_site.admin_view(self.live_view), name="jobs_job_live")
        return [live, *super().get_urls()]

    def live_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """The job page without its frame."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return render(request, "jobs/admin/job_body.html", self._page(request, find_job(str(job_id))))

    def page_context(self, request: HttpRequest, row: Job) -> dict[str, Any]:
        """The page itself; its actions stand in its own head, not in Unfold's."""
        return {**self._page(request, row), "title": str(row), "actions_detail": []}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Jobs with their owners."""
        queryset: QuerySet[Job] = super().get_queryset(request)
        return queryset.select_related("owner")

    def _page(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        page: JobPage = read_job_page(request, job)
        api = f"{settings.CHOREO_PUBLIC_URL}/api/v1/jobs/{job.pk}"
        return {
            "job": job,
            "page": page,
            "refresh_seconds": REFRESH_SECONDS,
            "may_operate": self.has_operate_permission(request),
            "job_actions": self.row_actions(request, job, _ACTIONS_OF.get(JobStatus(job.status), [])),
            "live_url": reverse("admin:jobs_job_live", args=[job.pk]),
            "links": [(name.replace("-", " "), f"{api}/{name}") for name in _RESOURCES],
        }

    @dialog_action(
        label="Cancel and revert…",
        icon="undo",
        danger=True,
        url_path="cancel-and-revert",
        title="Cancel this job and revert what it did?",
        form_class=CancelForm,
        submit="Cancel and revert",
    )
    def cancel_and_revert(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Ask for cancel and Revert Them All."""
        return self._act(request, object_id, job_reports.cancel_as_operator, "The job is being cancelled and reverted.")

    @dialog_action(
        label="Retry reverts…",
        icon="replay",
        url_path="retry-reverts",
        title="Try again to revert what is not undone?",
        form_class=RetryForm,
        submit="Retry reverts",
    )
    def retry_reverts(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Ask again for what could not be undone."""
        return self._act(request, object_id, job_reports.retry_reverts, "The reverts are being tried again.")

    def _act(self, request: HttpRequest, object_id: str, act: Callable[..., Job], done: str) -> HttpResponse:
        job = find_job(object_id)
        now: datetime = database_now()
        try:
            act(job.pk, request.user.get_username(), now=now)
        except ChoreoError as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, done)
        return leave_dialog(request, reverse("admin:jobs_job_change", args=[job.pk]))

    @admin.display(description="Status", ordering="status")
    def status_chip(self, job: Job) -> SafeString:
        """Colour, shape and word; a job past its deadline says so."""
        late = format_html(' <b class="ch-late">{}</b>', "late") if show.is_late(job, listed(job).now) else ""
        return format_html('<span class="ch-state">{}{}</span>', show.chip(job.status), late)

    @admin.display(description="Name", ordering="name")
    def name_link(self, job: Job) -> str:
        """What leads to the job page."""
        return job.name

    @admin.display(description="ID")
    def short_id(self, job: Job) -> SafeString:
        """The first eight characters, all of it on hover."""
        return format_html('<code title="{}">{}</code>', job.pk, show.short(job.pk))

    @admin.display(description="Started", ordering="created_at")
    def created(self, job: Job) -> SafeString | str:
        """When it began to work. Sorts by creation, which an index serves."""
        return show.moment(job.started_at)

    @admin.display(description="Elapsed of max TTL")
    def ttl(self, job: Job) -> SafeString | str:
        """As words and as a bar."""
        return show.ttl_bar(job, listed(job).now)

    @admin.display(description="Tasks")
    def tasks_strip(self, job: Job) -> SafeString | str:
        """One cell a task."""
        return show.strip(listed(job).tasks)

    @admin.display(description="Attention")
    def badges(self, job: Job) -> SafeString | str:
        """What other apps have to say, such as open incidents."""
        return format_html("{}" * len(found), *found) if (found := listed(job).badges) else ""
