"""What every resource does the same way: who asks, what was sent, and how it is answered."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotAuthenticated
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import conditional, negotiation
from jobs.api.authentication import Caller
from jobs.api.errors import WrongMediaType
from jobs.api.openapi.document import ApiSchema
from jobs.api.parsers import Document, MergePatchParser, StrictJSONParser, parse_document, read_body
from jobs.api.serializers.base import Body, changes, replacement
from jobs.domain.errors import NotAllowed
from jobs.domain.preconditions import Precondition
from jobs.models import Service
from jobs.services.clock import database_now

JSON = "application/json"


class KnownCaller(BasePermission):
    """A service with a token or an operator with a session; who may do what is decided by the services."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises NotAuthenticated for nobody."""
        if cast(object, request.user) is None and request.method != "OPTIONS":
            raise NotAuthenticated("Send Authorization: Bearer <token>.")
        return True


class ApiView(APIView):
    """A resource. Subclasses write `get`, `put` …; each translates, calls one service, and translates back.

    `fragment` names the part of the job's page in the operator UI that shows this resource to people; None means
    that it has no page. Errors of any kind become problems (`problems.exception_handler`).
    """

    permission_classes: Sequence[type[BasePermission]] = (KnownCaller,)
    content_negotiation_class = negotiation.Negotiation
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    parser_classes: Sequence[type[BaseParser]] = (StrictJSONParser,)
    patch_parser_classes: Sequence[type[BaseParser]] = (MergePatchParser, StrictJSONParser)
    fragment: str | None = None
    schema = ApiSchema()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """People go to the page of the resource, which asks for a sign-in itself; everything else is answered here."""
        if self.fragment is not None and request.method in {"GET", "HEAD"} and negotiation.prefers_html(request):
            return negotiation.to_operator_page(kwargs["job_id"], self.fragment)
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A method that does not exist is refused before anyone is asked who they are."""
        if (request.method or "").lower() not in self.http_method_names or request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        super().initial(request, *args, **kwargs)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        """403 for who is known, 401 for who is not."""
        if request.user is None:
            raise NotAuthenticated("Send Authorization: Bearer <token>.")
        raise NotAllowed(message or "You may not do this.")

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """204 with Allow (and Accept-Patch, RFC 5789): it tells nothing that needs a token."""
        response = Response(status=204)
        if "PATCH" in self.allowed_methods:
            response["Accept-Patch"] = self._media_types("PATCH")
        return response

    @property
    def default_response_headers(self) -> dict[str, str]:
        """On every answer."""
        return {"Allow": ", ".join(self.allowed_methods), "Vary": conditional.VARY}

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return cast(Caller, self.request.user)

    @property
    def service(self) -> Service:
        """The service that writes. Raises NotAllowed for an operator, who does not write here."""
        if self.caller.service is None:
            raise NotAllowed("Only services write here.")
        return self.caller.service

    @cached_property
    def now(self) -> datetime:
        """The database's clock, read once for a request."""
        return database_now()

    @property
    def precondition(self) -> Precondition:
        """If-Match and If-None-Match of a write. Raises Malformed."""
        return conditional.precondition(self.request._request)

    def document(self) -> Document:
        """The body, strictly read. Raises WrongMediaType, BodyTooLarge or Malformed."""
        return self.optional_document() or parse_document(b"")

    def optional_document(self) -> Document | None:
        """Like `document`; None when there is no body at all."""
        body = read_body(self.request._request)
        if not body and not self.request._request.content_type:
            return None
        self._check_media_type()
        return parse_document(body)

    def replacement(self, body: type[Body]) -> dict[str, Any]:
        """The values of a PUT for the services. Raises Invalid, besides what `document` raises."""
        return replacement(body, self.document().value)

    def changes(self, body: type[Body]) -> dict[str, Any]:
        """The values of a merge patch for the services. Raises likewise."""
        return changes(body, self.document().value)

    def versioned(self, etag: str, body: Any) -> HttpResponse:
        """A read's answer with its tag, or 304."""
        return conditional.answer(self.request._request, etag, lambda: json_response(body))

    def tagged(self, body: Any, *, media_type: str = JSON, cache: str = conditional.PRIVATE) -> HttpResponse:
        """A list's answer: no row's version speaks for it, so its tag is made of its bytes."""
        response = json_response(body)
        response["Content-Type"] = media_type
        tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        return conditional.answer(self.request._request, tag, lambda: response, cache=cache)

    def _check_media_type(self) -> None:
        method = self.request.method or ""
        offered = self._media_types(method)
        if (self.request._request.content_type or "").lower() not in offered.split(", "):
            headers = {"Accept-Patch" if method == "PATCH" else "Accept": offered}
            raise WrongMediaType(f"The body's media type must be one of {offered}.", headers=headers)

    def _media_types(self, method: str) -> str:
        parsers = self.patch_parser_classes if method == "PATCH" else self.parser_classes
        return ", ".join(str(parser.media_type) for parser in parsers)


def json_response(body: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """A JSON body; answers to writes are not to be kept."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    response = HttpResponse(text, status=status, content_type=JSON)
    response["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response[name] = value
    return response
