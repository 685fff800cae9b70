"""The shared vocabulary, in JSON and as ALPS."""

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from jobs import selectors
from jobs.api import conditional, links, queries, representations
from jobs.api.openapi.operation import WINDOW, operation
from jobs.api.parsers import AlpsParser, StrictJSONParser
from jobs.api.serializers.base import replacement
from jobs.api.serializers.parts import TermBody
from jobs.api.views.base import ApiView, json_response
from jobs.domain.errors import FieldError, Invalid, NotAllowed
from jobs.domain.preconditions import etag
from jobs.models import VocabularyTerm
from jobs.services.vocabulary import alps_terms, write_term

SCOPE = "vocabulary"
ALPS = "application/alps+json"

_MEMBERS = {str(field.source): name for name, field in TermBody().fields.items()}

TYPES = ("application/json", ALPS)
COMMON: dict[str, Any] = {"tag": "Vocabulary", "conditional": True, "answer_media_types": TYPES}


class AlpsRenderer(JSONRenderer):
    """Stands for ALPS in the negotiation."""

    media_type = ALPS
    format = "alps"


class VocabularyPartView(ApiView):
    """The vocabulary is readable by every caller, in either form."""

    renderer_classes = (JSONRenderer, AlpsRenderer)

    def shown(self, rows: Sequence[VocabularyTerm], plain: Callable[[], Any]) -> tuple[Any, str]:
        """(body, media type) in the form that the caller prefers."""
        media_type = str(self.request.accepted_media_type)
        return (representations.alps(rows), ALPS) if media_type == ALPS else (plain(), media_type)


class VocabularyView(VocabularyPartView):
    """`/vocabulary`."""

    @operation("List the terms", {200: "TermList"}, parameters=WINDOW, errors=(422,), **COMMON)
    def get(self, request: Request) -> HttpResponse:
        """All terms by name. ALPS, a profile, is always whole: `limit` is for the JSON form."""
        if request.accepted_media_type == ALPS:
            return self.tagged(representations.alps(selectors.terms()), media_type=ALPS)
        here = links.api("vocabulary")
        rows, around = queries.window(request.query_params).of(selectors.terms(), here)
        body = {
            "terms": [representations.term(row) for row in rows],
            "links": [*around, links.template("term", f"{here}/{{property}}")],
        }
        return self.tagged(body)


class TermView(VocabularyPartView):
    """`/vocabulary/{property}`."""

    parser_classes = (StrictJSONParser, AlpsParser)

    @operation("Read a term", {200: "Term"}, **COMMON)
    def get(self, request: Request, property: str) -> HttpResponse:
        """A term."""
        row = selectors.find_term(property)
        body, media_type = self.shown([row], lambda: representations.term(row))
        tag = etag("v", row.version) if media_type != ALPS else etag("va", row.version)
        return conditional.answer(request._request, tag, lambda: _typed(json_response(body), media_type))

    @operation("Create or replace a term", {201: "Term", 200: "Term"}, body="TermRequest", media_types=TYPES, **COMMON)
    def put(self, request: Request, property: str) -> HttpResponse:
        """Create (201) or replace (200) a term; takes a token with the scope `vocabulary`."""
        if self.service and SCOPE not in self.caller.scopes:
            raise NotAllowed("Writing the vocabulary takes a token with the scope vocabulary.")
        written = write_term(property, self._values(property), precondition=self.precondition)
        body, media_type = self.shown([written.row], lambda: representations.term(written.row))
        headers = {"Location": links.api(f"vocabulary/{property}")} if written.created else {}
        return _typed(json_response(body, 201 if written.created else 200, headers=headers), media_type)

    def _values(self, property: str) -> dict[str, Any]:
        value = self.document().value
        if self.request._request.content_type == ALPS:
            return _of_alps(value, property)
        return replacement(TermBody, value)


def _of_alps(value: Any, property: str) -> dict[str, Any]:
    """The one descriptor of a document about this term. Raises Invalid."""
    if not isinstance(value, dict) or "alps" not in value:
        raise Invalid("An ALPS document has `alps`.", errors=[FieldError("/alps", "An object.")])
    found = list(alps_terms(value))
    if len(found) != 1 or found[0][1] != property:
        raise Invalid(
            "Send a document with one semantic descriptor, whose id is the term's name.",
            errors=[FieldError("/alps/descriptor", f"One descriptor with the id {property}.")],
        )
    values = found[0][2]
    return replacement(TermBody, {_MEMBERS[name]: member for name, member in values.items()})


def _typed(response: HttpResponse, media_type: str) -> HttpResponse:
    response["Content-Type"] = media_type
    return response
