"""Notifications: every message as it was rendered, and every attempt to deliver it."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from escalation.domain.delivery import Channel
from escalation.domain.sms import SEGMENT, septets
from escalation.models import Notification
from jobs.admin.base import ReadOnlyAdmin
from jobs.templatetags import display as show

_SIGNED = re.compile(r"(/ack/)[^\s\"'<>]+")


def without_ack_link(text: str) -> str:
    """The message without the signature of its ack link, which answers for its contact without a sign-in."""
    return _SIGNED.sub(r"\1…", text)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin[Notification]):
    """Messages to people, newest first."""

    list_display = ["status_chip", "channel", "kind", "contact_name", "address", "incident_link", "created", "detail"]
    list_display_links = ["kind"]
    list_select_related = ["incident"]
    list_filter = ["status", "channel", "kind"]
    list_fullwidth = True
    search_fields = ["contact_name", "address"]
    search_help_text = "Contact or address"
    sortable_by = ()
    fields = ()
    change_form_template = "admin/escalation/notification/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """With the incident that they tell of."""
        queryset: QuerySet[Notification] = super().get_queryset(request)
        return queryset.select_related("incident")

    def page_context(self, request: HttpRequest, row: Notification) -> dict[str, Any]:
        """The message and its attempts."""
        fits = f"{septets(row.text)} of {SEGMENT} characters in one text message"
        return {
            "title": str(row),
            "notification": row,
            "text": without_ack_link(row.text),
            "html": without_ack_link(row.html),
            "attempts": list(row.delivery_attempts.all()),
            "sms_length": fits if row.channel == Channel.SMS else "",
        }

    @admin.display(description="Status")
    def status_chip(self, notification: Notification) -> SafeString:
        """Colour, shape and word."""
        return show.chip(notification.status)

    @admin.display(description="About")
    def incident_link(self, notification: Notification) -> SafeString:
        """The incident's summary, leading to it."""
        url = reverse("admin:escalation_incident_change", args=[notification.incident_id])
        return format_html('<a href="{}">{}</a>', url, notification.incident.summary)

    @admin.display(description="Created (UTC)")
    def created(self, notification: Notification) -> SafeString | str:
        """In UTC."""
        return show.moment(notification.created_at)
