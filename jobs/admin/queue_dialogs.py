"""The dialogs before "Replay now" and "Mark as undone by hand": what is called then, and what nobody calls any more."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from jobs.domain.states import CallStatus
from jobs.models import Call, Task
from jobs.services.by_hand import LONGEST_NOTE

_SHOWN = 10


def find_task(object_id: int | str | None) -> Task:
    """The task of an admin URL. Raises Http404."""
    try:
        return Task.objects.select_related("job", "service").get(pk=str(object_id))
    except (Task.DoesNotExist, ValueError) as error:
        raise Http404("There is no task of this ID.") from error


def find_call(object_id: int | str | None) -> Call:
    """The call of an admin URL. Raises Http404."""
    try:
        return Call.objects.select_related("job", "task", "service").get(pk=str(object_id))
    except (Call.DoesNotExist, ValueError) as error:
        raise Http404("There is no call of this ID.") from error


def undo_section(job_id: UUID) -> str:
    """Where on the page of a job its undoing is shown."""
    return f"{reverse('admin:jobs_job_change', args=[job_id])}#undo"


def host(url: str) -> str:
    """Whom a URL calls: host and port."""
    return urlsplit(url).netloc


class MarkUndoneForm(BaseDialogForm):
    """The note that stays with it."""

    form_before_template = "jobs/admin/mark_undone_dialog.html"
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        label="What did you do, and where can that be seen?",
        help_text="It stays in the history of the job, with your name.",
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "placeholder": "Refunded in the bank's portal, receipt 4711"}
        ),
    )

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """The task, and the revert that is not made any more."""
        task = find_task(object_id)
        return {"task": task, "queued": task.calls.filter(status=CallStatus.QUEUED).exists()}


class ReplayForm(BaseDialogForm):
    """Nothing to fill in: the dialog only tells."""

    form_before_template = "jobs/admin/replay_dialog.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """The call, and since when and why it waits."""
        call = find_call(object_id)
        return {"calls": [call], "more": 0}


class ReplayServiceForm(BaseDialogForm):
    """All that waits for a service, or what has waited since a moment."""

    form_before_template = "jobs/admin/replay_dialog.html"
    since = forms.DateTimeField(
        required=False,
        label="Only what has waited since (UTC)",
        help_text="Such as 2026-11-23 04:12, when the outage began. Leave it empty to replay all.",
        input_formats=["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-23 04:12", "autocomplete": "off"}),
    )

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """What waits for it."""
        queued = Call.objects.filter(service__pk=str(object_id), status=CallStatus.QUEUED).order_by("queued_at", "id")
        calls = list(queued.select_related("job", "task", "service")[: _SHOWN + 1])
        return {"calls": calls[:_SHOWN], "more": len(calls) > _SHOWN}
