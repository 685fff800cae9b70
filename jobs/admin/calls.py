"""Cancel and revert calls as a list of their own; narrowed to `queued`, it is the replay queue."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm

from jobs.admin.base import dialog_action, leave_dialog
from jobs.admin.queue_dialogs import ReplayForm, find_call, undo_section
from jobs.admin.records import OfAJob
from jobs.domain.states import CALL_WAITS, CallStatus
from jobs.models import Call
from jobs.services import replay
from jobs.services.clock import database_now
from jobs.templatetags import display as show

NOT_IN_THE_QUEUE = "It does not wait in the replay queue any more: nothing was changed."


@admin.register(Call)
class CallAdmin(OfAJob[Call]):
    """Cancel and revert calls, newest first: what is under way, what waits, and what could not be done."""

    OPERATE: ClassVar[str] = "jobs.change_job"
    anchor = "undo"
    list_display = ["status_chip", "what", "service", "job_link", "tries", "waits_since", "next_try", "until", "why"]
    list_display_links = ["what"]
    list_select_related = ["job", "task", "service"]
    list_filter = ["status", "action", "service"]
    list_disable_select_all = True
    ordering = ["-id"]
    sortable_by = ()
    actions: Any = ["replay_selected"]
    actions_detail: Any = ["replay_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        """With what each row names."""
        queryset: QuerySet[Call] = super().get_queryset(request)
        return queryset.select_related("job", "task", "service")

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: Any = None,
        action_location: admin.ActionLocation = admin.ActionLocation.CHANGE_LIST,
    ) -> list[tuple[str, str]]:
        """Django's; Unfold's own lacks the third argument, of which Django 6.1 warns."""
        empty = [("", "Choose an action")]
        choices: list[tuple[str, str]] = admin.ModelAdmin.get_action_choices(self, request, empty, action_location)
        return choices

    @dialog_action(
        label="Replay now…",
        icon="replay",
        url_path="replay-now",
        title="Call the service now?",
        explanation="The call is made within seconds, under its old idempotency key. If it fails, it goes on waiting.",
        form_class=ReplayForm,
        submit="Replay now",
    )
    def replay_now(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """One call that waits in the replay queue falls due."""
        call = find_call(object_id)
        if replay.replay_now(call.pk, request.user.get_username(), database_now()):
            messages.success(request, f"The {call.action} of {call.task.name} is made now.")
        else:
            messages.error(request, NOT_IN_THE_QUEUE)
        return leave_dialog(request, undo_section(call.job_id))

    @admin.action(description="Replay now…", permissions=["operate"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Call]) -> HttpResponse:
        """Asks once more, and then has the selected calls made that wait in the replay queue."""
        queued = list(queryset.filter(status=CallStatus.QUEUED).order_by("queued_at", "id"))
        if queued and "confirmed" not in request.POST:
            return self._ask(request, queued)
        now, operator = database_now(), request.user.get_username()
        done = sum(replay.replay_now(call.pk, operator, now) for call in queued)
        if done:
            messages.success(request, f"{done} call{'' if done == 1 else 's'} made now.")
        else:
            messages.error(request, "None of them waits in the replay queue: nothing was changed.")
        return HttpResponseRedirect(f"{reverse('admin:jobs_call_changelist')}?status__exact={CallStatus.QUEUED}")

    def _ask(self, request: HttpRequest, queued: list[Call]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay now",
            "opts": self.opts,
            "calls": queued,
            "back": f"{reverse('admin:jobs_call_changelist')}?status__exact={CallStatus.QUEUED}",
        }
        return TemplateResponse(request, "jobs/admin/replay_selected.html", context)

    @admin.display(description="Status")
    def status_chip(self, call: Call) -> SafeString:
        """In the colours and shapes of a task's."""
        return show.call_chip(call.status)

    @admin.display(description="What")
    def what(self, call: Call) -> str:
        """Cancel or revert, of which task."""
        return f"{call.action} {call.task.name}"

    @admin.display(description="Tried")
    def tries(self, call: Call) -> str:
        """In the round that is under way, or was the last; in the queue, how often it was replayed in vain."""
        queued = call.status == CallStatus.QUEUED
        count, what = (call.replays, "replay") if queued else (call.attempts_made, "attempt")
        return f"{count} {what}{'' if count == 1 else 's'}" if count else f"no {what} yet"

    @admin.display(description="Queued (UTC)")
    def waits_since(self, call: Call) -> SafeString | str:
        """Since when it is in the replay queue, or was."""
        return show.moment(call.queued_at)

    @admin.display(description="Next attempt (UTC)")
    def next_try(self, call: Call) -> SafeString | str:
        """While it waits."""
        return show.moment(call.next_at) if call.status in CALL_WAITS else "—"

    @admin.display(description="Until (UTC)")
    def until(self, call: Call) -> SafeString | str:
        """When it is given up."""
        return show.moment(call.give_up_at) if call.status in CALL_WAITS else "—"

    @admin.display(description="Why, or how it ended")
    def why(self, call: Call) -> str:
        """The last answer while it waits, the outcome when it is settled."""
        return call.outcome or call.queue_reason or "—"
