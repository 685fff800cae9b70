"""What a person sees when something broke below a view."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from jobs.api.middleware import API_PREFIX
from jobs.api.problems import RETRY_AFTER, database_is_away, unavailable


def broken(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is handled: 503 when the database is away, else 500.

    It answers for everything that no view of the API does: the operator UI, ack links, sessions, middleware.
    """
    if not database_is_away(sys.exception()):
        return server_error(request)
    if request.path.startswith(API_PREFIX):
        return unavailable(request)
    page = render_to_string(
        "503.html", {"retry_after": RETRY_AFTER}
    )  # without the request: its user is in the database
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})
