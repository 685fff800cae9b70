"""Services, their tokens and their webhook secrets. A token or secret is shown once, in the answer that made it."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldBooleanSwitchWidget

from jobs.admin.base import ChoreoAdmin, ReadOnlyAdmin, dialog_action, leave_dialog
from jobs.models import Location, Service, ServiceToken
from jobs.services import accounts
from jobs.services.clock import database_now
from jobs.templatetags import display as show


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
    list_display = ["name", "description", "live_tokens", "seen", "fallback_url"]
    search_fields = ["name", "description"]
    search_help_text = "Name or description"
    fields = ["name", "description", "fallback_url"]
    actions_detail: Any = ["issue_token", "rotate_secret"]
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
        Service.objects.filter(pk=obj.pk).update(description=obj.description, fallback_url=obj.fallback_url)

    def page_context(self, request: HttpRequest, row: Service) -> dict[str, Any]:
        """What the service has: tokens and locations."""
        return {
            "now": database_now(),
            "tokens": list(row.tokens.all()),
            "locations": list(Location.objects.filter(service=row)),
            "may_revoke": request.user.has_perm("jobs.change_servicetoken"),
        }

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
        danger=True,
        url_path="rotate-webhook-secret",
        title="Rotate the webhook secret?",
        explanation="Cancel and revert calls are signed with the new secret at once, and the old one is gone. "
        "Give it to the service without delay: a call that it refuses (4xx) counts as one that cannot be undone.",
        submit="Rotate secret",
    )
    def rotate_secret(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """A new secret, shown in this answer and nowhere else."""
        service = _service(object_id)
        secret = accounts.rotate_webhook_secret(service)
        self.log_change(request, service, "Rotated the webhook secret.")
        return _shown_once(request, service, f"The new webhook secret of {service.name}", secret)

    @admin.display(description="Live tokens")
    def live_tokens(self, service: Service) -> int:
        """How many tokens open something."""
        return sum(token.is_live for token in service.tokens.all())

    @admin.display(description="Last seen", ordering="last_seen_at")
    def seen(self, service: Service) -> SafeString | str:
        """When it last used a token."""
        return show.moment(service.last_seen_at) if service.last_seen_at else "never"


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyAdmin[ServiceToken]):
    """All tokens, by their first characters. The way to them is a service's page."""

    OPERATE: ClassVar[str] = "jobs.change_servicetoken"
    list_display = ["prefix_link", "service", "scope_words", "created", "state"]
    list_display_links = ["prefix_link"]
    list_select_related = ["service"]
    list_filter = ["service"]
    fields = ["service", "prefix", "scope_words", "created_at", "revoked_at"]
    readonly_fields = ["service", "prefix", "scope_words", "created_at", "revoked_at"]
    actions_detail: Any = ["revoke"]

    @dialog_action(
        label="Revoke…",
        icon="key_off",
        danger=True,
        url_path="revoke",
        title="Revoke this token?",
        explanation="From then on it opens nothing. This cannot be taken back; a new token can be issued.",
        submit="Revoke token",
    )
    def revoke(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """The token opens nothing from now on."""
        token = _token(object_id)
        now: datetime = database_now()
        accounts.revoke_token(token.pk, now)
        self.log_change(request, token, "Revoked.")
        messages.success(request, f"The token {token.prefix}… is revoked.")
        return leave_dialog(request, reverse("admin:jobs_service_change", args=[token.service_id]))

    @admin.display(description="Token", ordering="prefix")
    def prefix_link(self, token: ServiceToken) -> SafeString:
        """The first characters: all that is known of it."""
        return format_html("<code>{}…</code>", token.prefix)

    @admin.display(description="Scopes")
    def scope_words(self, token: ServiceToken) -> str:
        """What it may do beyond reporting."""
        return ", ".join(token.scopes) or "reporting only"

    @admin.display(description="Created", ordering="created_at")
    def created(self, token: ServiceToken) -> SafeString | str:
        """In UTC."""
        return show.moment(token.created_at)

    @admin.display(description="State", ordering="revoked_at")
    def state(self, token: ServiceToken) -> str:
        """Live, or since when not."""
        return "live" if token.revoked_at is None else f"revoked {token.revoked_at:%Y-%m-%d %H:%M}"


def _shown_once(request: HttpRequest, service: Service, title: str, secret: str) -> HttpResponse:
    """The dialog's last page. htmx puts it in the place of the whole dialog, so that nothing can be sent twice."""
    context = {"title": title, "secret": secret, "url": reverse("admin:jobs_service_change", args=[service.pk])}
    answer = render(request, "jobs/admin/shown_once.html", context)
    answer["HX-Retarget"] = answer["HX-Reselect"] = "#dialog"
    answer["Cache-Control"] = "no-store"
    return answer


def _service(object_id: str) -> Service:
    return _get(Service, object_id)


def _token(object_id: str) -> ServiceToken:
    return _get(ServiceToken, object_id)


def _get[M: Model](model: type[M], object_id: str) -> M:
    try:
        return model._default_manager.get(pk=object_id)
    except (model.DoesNotExist, ValueError) as error:  # type: ignore[attr-defined]  # every model has it
        raise Http404("There is no such row.") from error
