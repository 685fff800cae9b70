"""Services: where they are called, how they are, what waits for them, and their secrets.

A token or secret is shown once, in the answer that made it.
"""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.dataclasses import UnfoldAction
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from jobs.admin.base import ChoreoAdmin, dialog_action, leave_dialog
from jobs.admin.queue_dialogs import ReplayServiceForm
from jobs.admin.service_page import read_service_page
from jobs.domain.errors import Invalid
from jobs.domain.hosts import parse_allowed_hosts
from jobs.models import Service
from jobs.services import accounts, replay
from jobs.services.clock import database_now
from jobs.templatetags import display as show


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes none when it runs
    """A service, and where Choreo may call it."""

    class Meta:
        model = Service
        fields = ["name", "description", "fallback_url", "probe_url", "allowed_hosts"]
        labels: ClassVar[dict[str, str]] = {"fallback_url": "Fallback URL", "probe_url": "Probe URL"}
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "allowed_hosts": UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "pay.example:443"})
        }

    def clean_allowed_hosts(self) -> str:
        """One host:port a line, or nothing."""
        text = str(self.cleaned_data["allowed_hosts"])
        try:
            parse_allowed_hosts(text)
        except Invalid as error:
            raise ValidationError(error.detail) from error
        return "\n".join(line.strip() for line in text.splitlines() if line.strip())


class IssueForm(BaseDialogForm):
    """What the new token may do beyond reporting."""

    vocabulary = forms.BooleanField(
        required=False,
        label="May write the shared vocabulary",
        help_text="The scope that PUT /api/v1/vocabulary/{property} asks for. Most services do not need it.",
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(Service)
class ServiceAdmin(ChoreoAdmin[Service]):
    """The services that report here."""

    OPERATE: ClassVar[str] = "jobs.change_service"
    form = ServiceForm
    list_display = ["name", "description", "health", "live_tokens", "seen", "fallback_url"]
    search_fields = ["name", "description"]
    search_help_text = "Name or description"
    fields = ["name", "description", "fallback_url", "probe_url", "allowed_hosts"]
    actions_detail: Any = ["replay_queue", "issue_token", "rotate_secret", "revoke_previous_secret"]
    change_form_after_template = "jobs/admin/service_after.html"

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        """Never: its jobs and history name it. Revoke its tokens instead."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        """With the tokens, which every row counts."""
        queryset: QuerySet[Service] = super().get_queryset(request)
        return queryset.prefetch_related("tokens")

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> list[str]:
        """A name is given once: it is how services are known."""
        return ["name"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:
        """A new service gets its webhook secret where all do."""
        if not change:
            made = accounts.ensure_service(obj.name)
            obj.pk, obj.webhook_secret, obj.created_at = made.pk, made.webhook_secret, made.created_at
        written = ("description", "fallback_url", "probe_url", "allowed_hosts")
        Service.objects.filter(pk=obj.pk).update(**{name: getattr(obj, name) for name in written})

    def page_context(self, request: HttpRequest, row: Service) -> dict[str, Any]:
        """How the service is, what waits for it, and what it has: tokens and locations."""
        return {
            "page": read_service_page(row),
            "may_revoke": request.user.has_perm("jobs.change_servicetoken"),
            "queue_actions": self.row_actions(request, row, ["replay_queue"]),
            "old_secret_actions": self.row_actions(request, row, ["revoke_previous_secret"]),
        }

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> list[UnfoldAction]:
        """Those of the page's head: the others stand where there is something for them to act upon."""
        elsewhere = ("_replay_queue", "_revoke_previous_secret")
        allowed: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        return [action for action in allowed if not action.action_name.endswith(elsewhere)]

    @dialog_action(
        label="Replay now…",
        icon="replay",
        url_path="replay-now",
        title="Call this service now with all that waits for it?",
        explanation="The calls are made within seconds, a few at a time, under their old idempotency keys. What fails "
        "goes on waiting.",
        form_class=ReplayServiceForm,
        submit="Replay now",
    )
    def replay_queue(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """What waits for the service falls due: all, or what has waited since a moment."""
        service = _service(object_id)
        since = form.cleaned_data["since"]
        count = replay.replay_service(service, request.user.get_username(), database_now(), since)
        if count:
            messages.success(request, f"{count} call{'' if count == 1 else 's'} made now.")
            self.log_change(request, service, f"Replayed {count} queued calls.")
        else:
            messages.error(request, "Nothing was replayed: nothing has waited for this service since then.")
        return leave_dialog(request, f"{reverse('admin:jobs_service_change', args=[service.pk])}#queue")

    @dialog_action(
        label="Issue token…",
        icon="key",
        url_path="issue-token",
        title="Issue a token",
        explanation="The token is shown once, and only its hash is kept.",
        form_class=IssueForm,
        submit="Issue token",
    )
    def issue_token(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """A new token, shown in this answer and nowhere else."""
        service = _service(object_id)
        scopes = ["vocabulary"] if form.cleaned_data["vocabulary"] else []
        token = accounts.issue_token(service.name, scopes=scopes)
        self.log_change(request, service, f"Issued the token {token[:12]}….")
        return _shown_once(request, service, f"A new token for {service.name}", token)

    @dialog_action(
        label="Rotate webhook secret…",
        icon="autorenew",
        url_path="rotate-webhook-secret",
        title="Rotate the webhook secret?",
        explanation="For 24 hours cancel and revert calls are signed with the new secret and with the old one. "
        "Give the new one to the service in that time: a call that it refuses (4xx) counts as not to be undone.",
        submit="Rotate secret",
    )
    def rotate_secret(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """A new secret, shown in this answer and nowhere else."""
        service, now = _service(object_id), database_now()
        secret = accounts.rotate_webhook_secret(service, now)
        until = accounts.previous_secret_until(service, now)
        self.log_change(request, service, "Rotated the webhook secret.")
        note = f"The old one signs every call too until {until:%Y-%m-%d %H:%M:%S} UTC." if until else ""
        return _shown_once(request, service, f"The new webhook secret of {service.name}", secret, note)

    @dialog_action(
        label="Revoke the old webhook secret…",
        icon="key_off",
        danger=True,
        url_path="revoke-previous-secret",
        title="Take the old webhook secret out of use at once?",
        explanation="For an old secret that has leaked. If the service does not know the new one yet, it will refuse "
        "Choreo's calls, and a refused one counts as one that cannot be undone.",
        submit="Revoke the old secret",
    )
    def revoke_previous_secret(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Only the new secret signs from now on."""
        service = _service(object_id)
        if accounts.revoke_previous_secret(service):
            self.log_change(request, service, "Revoked the old webhook secret.")
            messages.success(request, "Only the new webhook secret signs calls from now on.")
        else:
            messages.error(request, "There is no old webhook secret in use.")
        return leave_dialog(request, reverse("admin:jobs_service_change", args=[service.pk]))

    @admin.display(description="Health")
    def health(self, service: Service) -> SafeString:
        """In a word."""
        if service.leases_lost_at:
            return show.chip_as("leases lost", "failed")
        return show.chip_as("failing", "revertFailed") if service.failing_since else show.chip_as("well", "completed")

    @admin.display(description="Live tokens")
    def live_tokens(self, service: Service) -> int:
        """How many tokens open something."""
        return sum(token.is_live for token in service.tokens.all())

    @admin.display(description="Last seen", ordering="last_seen_at")
    def seen(self, service: Service) -> SafeString | str:
        """When it last used a token."""
        return show.moment(service.last_seen_at) if service.last_seen_at else "never"


def _shown_once(request: HttpRequest, service: Service, title: str, secret: str, note: str = "") -> HttpResponse:
    """The dialog's last page. htmx puts it in the place of the whole dialog, so that nothing can be sent twice."""
    url = reverse("admin:jobs_service_change", args=[service.pk])
    context = {"title": title, "secret": secret, "note": note, "url": url}
    answer = render(request, "jobs/admin/shown_once.html", context)
    answer["HX-Retarget"] = answer["HX-Reselect"] = "#dialog"
    answer["Cache-Control"] = "no-store"
    return answer


def _service(object_id: str) -> Service:
    try:
        return Service.objects.get(pk=object_id)
    except (Service.DoesNotExist, ValueError) as error:
        raise Http404("There is no such service.") from error
