"""The page behind an ack link: GET shows how things stand and a button, POST acknowledges."""

from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from escalation.models import Incident
from escalation.selectors import person_in
from escalation.services import ack_links
from escalation.services.answering import acknowledge
from jobs.domain.errors import IllegalTransition
from jobs.services.clock import database_now

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the URL is the credential: no other site may learn it
    "X-Robots-Tag": "noindex, nofollow",
}


# Exempt from CSRF: the signed link is the credential here, not a cookie, so whoever can forge a POST could as well send
# it themselves; and the browsers that mail apps bring along often keep no cookie to compare a token with.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def ack(request: HttpRequest, signed: str) -> HttpResponse:
    """`/ack/{signed}`, without a login. 404 for what Choreo did not sign, 410 once it has expired.

    Mail scanners open links, so that a GET never acts; a second POST changes nothing.
    """
    now = database_now()
    try:
        link = ack_links.read(signed, now)
    except ack_links.ExpiredLink:
        return _page(request, 410, {"problem": "expired"})
    except ack_links.BadLink:
        return _page(request, 404, {"problem": "unknown"})
    incident = Incident.objects.filter(pk=link.incident_id).first()
    person = person_in(incident, link.contact_id) if incident else None
    if incident is None or person is None:
        return _page(request, 404, {"problem": "unknown"})
    if request.method == "POST":
        with suppress(IllegalTransition):  # resolved meanwhile: the page says so
            acknowledge(incident.pk, person.name, now, contact_id=person.id)
        incident.refresh_from_db()
    with timezone.override(person.zone):
        return _page(request, 200, {"incident": incident, "person": person})


def _page(request: HttpRequest, status: int, context: dict[str, Any]) -> HttpResponse:
    response = render(request, "escalation/ack.html", context, status=status)
    for name, value in _HEADERS.items():
        response[name] = value
    return response
