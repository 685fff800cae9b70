"""Errors as `application/problem+json` (RFC 9457): one handler for all of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.encoding import iri_to_uri
from rest_framework import exceptions

from jobs.api import catalogue
from jobs.api.catalogue import Kind
from jobs.api.errors import HttpError
from jobs.domain.errors import ChoreoError, FieldError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
"""Seconds after which a request that met a fault of ours may be sent again."""
_READ_ONLY = "25006"  # PostgreSQL's code for a write to a standby, which is what a primary is after a failover


def problem_url(slug: str) -> str:
    """The `type` of a kind of problem: a page that says what it means."""
    return f"{settings.CHOREO_PUBLIC_URL}/problems/{slug}"


def problem(
    request: HttpRequest,
    kind: Kind,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    **extra: object,
) -> HttpResponse:
    """One problem as a response; `extra` are further members of the problem."""
    body: dict[str, object] = {
        "type": problem_url(kind.slug),
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": iri_to_uri(request.path),
    }
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    response = HttpResponse(json.dumps(extra | body), status=kind.status, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def of_error(request: HttpRequest, error: ChoreoError) -> HttpResponse:
    """A rule's refusal. A current `etag` that it bears goes into the header where a client looks for it."""
    kind = catalogue.find(error.code) or catalogue.CONFLICT
    extra = {name: value for name, value in error.extra.items() if name != "etag" and value is not None}
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    if etag := error.extra.get("etag"):
        headers["ETag"] = str(etag)
    return problem(request, kind, error.detail, errors=error.errors, headers=headers, **extra)


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """REST framework's hook. None lets Django log the exception; the middleware then answers 500."""
    request: HttpRequest = context["request"]._request
    if isinstance(exc, ChoreoError):
        return of_error(request, exc)
    if database_is_away(exc):
        log.error("database unavailable", error=repr(exc))
        return unavailable(request)
    if isinstance(exc, exceptions.APIException):
        return _of_framework(request, exc)
    return _of_django(request, exc)


def as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """An error that something below the views answered with, as a problem; anything else as it is."""
    if response.status_code < 400 or response.get("Content-Type", "").startswith(MEDIA_TYPE):
        return response
    kind = _BY_STATUS.get(response.status_code) or (
        catalogue.INTERNAL if response.status_code >= 500 else catalogue.BAD_REQUEST
    )
    kept = {name: response[name] for name in ("Allow", "WWW-Authenticate", "Retry-After") if name in response}
    if kind.status >= 500:
        kept.setdefault("Retry-After", str(RETRY_AFTER))
    return problem(request, kind, _DETAILS.get(kind.status, kind.advice), headers=kept)


def database_is_away(error: BaseException | None) -> bool:
    """Is it the database's state, and not the request, that brought this about, so that trying again may help?

    That is: it cannot be reached, shuts down, starts, cut the connection, gave way in a deadlock, or became a read-only
    standby. What came of such an error (a transaction that could not be ended, say) counts as the same.
    """
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError) or getattr(error, "sqlstate", "") == _READ_ONLY:
            return True
        error = error.__cause__ or error.__context__
    return False


def unavailable(request: HttpRequest) -> HttpResponse:
    """503, with a word on when to try again."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    return problem(request, catalogue.UNAVAILABLE, "The database does not answer; try again.", headers=headers)


def _of_django(request: HttpRequest, exc: Exception) -> HttpResponse | None:
    if isinstance(exc, Http404):
        return problem(request, catalogue.NOT_FOUND, _DETAILS[404])
    if isinstance(exc, PermissionDenied):
        return problem(request, catalogue.FORBIDDEN, _DETAILS[403])
    if isinstance(exc, RequestDataTooBig):
        return problem(request, catalogue.find("body-too-large") or catalogue.BAD_REQUEST, "The body is too large.")
    if isinstance(exc, SuspiciousOperation):
        return problem(request, catalogue.BAD_REQUEST, _DETAILS[400])
    return None


def _of_framework(request: HttpRequest, exc: exceptions.APIException) -> HttpResponse:
    headers: dict[str, str] = {}
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = _challenge(exc)
    if isinstance(exc, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, round(getattr(exc, "wait", None) or 1)))
    if isinstance(exc, exceptions.ValidationError):
        return problem(request, catalogue.VALIDATION, "The body does not fit.", errors=pointers(exc.detail))
    kind = catalogue.UNAUTHORIZED if headers.get("WWW-Authenticate") else _BY_STATUS.get(exc.status_code)
    return problem(request, kind or catalogue.BAD_REQUEST, str(exc.detail), headers=headers)


def _challenge(exc: exceptions.APIException) -> str:
    """RFC 6750 §3: no error code for who sent no token at all."""
    failed = isinstance(exc, exceptions.AuthenticationFailed)
    return 'Bearer realm="choreo", error="invalid_token"' if failed else 'Bearer realm="choreo"'


def pointers(detail: Any, path: str = "") -> list[FieldError]:
    """REST framework's nested error details as a flat list with JSON Pointers (RFC 6901)."""
    if isinstance(detail, Mapping):
        return [error for key, part in detail.items() for error in pointers(part, _below(path, str(key)))]
    if isinstance(detail, list) and any(isinstance(part, Mapping | list) for part in detail):
        return [error for index, part in enumerate(detail) for error in pointers(part, f"{path}/{index}")]
    if isinstance(detail, list):
        return [FieldError(path, str(part)) for part in detail]
    return [FieldError(path, str(detail))]


def _below(path: str, key: str) -> str:
    if key == "non_field_errors":
        return path
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


_DETAILS = {
    400: "The request cannot be served as it is.",
    403: "You may not do this.",
    404: "There is no resource at this URL.",
    405: "The resource does not have this method.",
    500: "Something went wrong on our side; it is logged with the request-id of this answer.",
}
_BY_STATUS = {
    400: catalogue.BAD_REQUEST,
    401: catalogue.UNAUTHORIZED,
    403: catalogue.FORBIDDEN,
    404: catalogue.NOT_FOUND,
    405: catalogue.METHOD,
    406: catalogue.NOT_ACCEPTABLE,
    409: catalogue.CONFLICT,
    413: catalogue.find("body-too-large"),
    415: catalogue.MEDIA_TYPE,
    422: catalogue.VALIDATION,
    429: catalogue.TOO_MANY,
    500: catalogue.INTERNAL,
    503: catalogue.UNAVAILABLE,
}
