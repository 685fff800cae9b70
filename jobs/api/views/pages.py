"""Pages for people: the API's documentation, and what each kind of problem means. Nothing comes from another host."""

import hashlib
import json
from functools import lru_cache

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.api import catalogue, conditional, links, problems
from jobs.api.openapi.document import document
from jobs.domain.errors import ChoreoError

POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles from its script; no script stands in a page itself."""


@require_safe
def openapi_document(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1, the same for everyone."""
    text, etag = _document()
    try:
        return conditional.answer(
            request,
            etag,
            lambda: HttpResponse(text, content_type="application/json"),
            cache="public, max-age=300",
            vary="Accept-Encoding",
        )
    except ChoreoError as error:
        return problems.of_error(request, error)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """A page to browse the API and to try it."""
    return _page(render(request, "api/docs.html", {"document": links.api("openapi.json")}))


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    """Every kind of problem."""
    return _page(render(request, "api/problems.html", {"kinds": catalogue.kinds()}))


@require_safe
def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One kind of problem: what its `type` points at."""
    kind = catalogue.find(slug)
    if kind is None:
        raise Http404("There is no problem of this kind.")
    return _page(render(request, "api/problem.html", {"kind": kind}))


@lru_cache(maxsize=1)
def _document() -> tuple[bytes, str]:
    """The document does not change while the process lives, so it is made once."""
    text = json.dumps(document(), ensure_ascii=False, indent=1).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def _page(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = POLICY
    response["Cache-Control"] = "public, max-age=300"
    return response
