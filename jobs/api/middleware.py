"""Correlation headers on every response, and problem+json for every error of the API, whoever made it."""

from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs.api import correlation, problems
from jobs.api.correlation import Correlation
from jobs.domain.errors import ChoreoError

API_PREFIX = "/api/"

Handler = Callable[[HttpRequest], HttpResponseBase]


class CorrelationMiddleware:
    """The outermost middleware: what it adds is on every answer, be it an unknown path, a bad Host or a crash."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Check the incoming IDs, make them part of every log line, and answer with them."""
        try:
            ids = correlation.of_request(request)
        except ChoreoError as error:
            ids = correlation.of_path(request.path)
            return _with_headers(problems.of_error(request, error), ids)
        with structlog.contextvars.bound_contextvars(**_log_fields(ids)):
            response = self.get_response(request)
        if request.path.startswith(API_PREFIX):
            response = problems.as_problem(request, response)
        return _with_headers(response, ids)


def _with_headers(response: HttpResponseBase, ids: Correlation) -> HttpResponseBase:
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        del response["Content-Length"]  # Django says 0, but it would mean the 200's length (RFC 9110 §8.6)
    for name, value in ids.headers().items():
        response[name] = value
    return response


def _log_fields(ids: Correlation) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in ids.headers().items()}
