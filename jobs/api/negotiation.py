"""Which representation a caller prefers (RFC 9110 §12): JSON for machines, the operator UI for people."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

HTML = "text/html"


class _Range(NamedTuple):
    kind: str
    subtype: str
    quality: float


def quality(accept: str, media_type: str) -> tuple[float, int]:
    """(q, precision) of the most precise range in `accept` that covers `media_type`; precision 0 is `*/*`, 2 exact."""
    kind, _, subtype = media_type.partition("/")
    best = (0.0, -1)
    for entry in _ranges(accept):
        precision = _precision(entry, kind, subtype)
        if precision > best[1]:
            best = (entry.quality, precision)
    return best


def prefers_html(request: HttpRequest) -> bool:
    """Is this a person's browser? It asks for HTML by name and likes it better than JSON; `*/*` alone is a machine."""
    accept = request.headers.get("Accept", "")
    if "text/" not in accept.lower():
        return False
    html, precision = quality(accept, HTML)
    return precision > 0 and html > quality(accept, "application/json")[0]


def to_operator_page(job_id: object, fragment: str) -> HttpResponse:
    """303 to a job's page in the operator UI, which asks for a sign-in when it needs one."""
    path = reverse("admin:jobs_job_change", args=[job_id])
    response = HttpResponse(status=303, headers={"Location": f"{settings.CHOREO_PUBLIC_URL}{path}{fragment}"})
    response["Vary"] = "Accept"
    response["Cache-Control"] = "no-store"
    return response


class Negotiation(BaseContentNegotiation):
    """The first of a view's renderers that Accept admits with the highest quality; 406 when it admits none."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Unused: views read their own bodies (`views.base`)."""
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and its media type. Raises NotAcceptable."""
        accept, renderers = request.headers.get("Accept") or "*/*", list(renderers)
        offers = list(renderers)
        scored = [(quality(accept, str(renderer.media_type))[0], renderer) for renderer in offers]
        best, renderer = max(scored, key=lambda pair: pair[0])
        if not best:
            offered = ", ".join(str(renderer.media_type) for renderer in offers)
            raise NotAcceptable(f"This resource is available as {offered}.")
        return renderer, str(renderer.media_type)


def _ranges(accept: str) -> list[_Range]:
    """The media ranges that can be read; a malformed one is passed over, as RFC 9110 lets a server do."""
    found = []
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        kind, slash, subtype = media.partition("/")
        if slash and kind and subtype:
            found.append(_Range(kind, subtype, _q(parameters)))
    return found


def _q(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return _number(value.strip())
    return 1.0


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _precision(entry: _Range, kind: str, subtype: str) -> int:
    if (entry.kind, entry.subtype) == ("*", "*"):
        return 0
    if entry.kind == kind:
        return 1 if entry.subtype == "*" else 2 if entry.subtype == subtype else -1
    return -1
