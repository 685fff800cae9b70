"""The tokens of services: a list, and the end of one."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm

from jobs.admin.base import ReadOnlyAdmin, dialog_action, leave_dialog
from jobs.models import ServiceToken
from jobs.services import accounts
from jobs.services.clock import database_now
from jobs.templatetags import display as show


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


def _token(object_id: str) -> ServiceToken:
    try:
        return ServiceToken.objects.get(pk=object_id)
    except (ServiceToken.DoesNotExist, ValueError) as error:
        raise Http404("There is no such token.") from error
