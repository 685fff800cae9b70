"""The job's shared state."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from jobs.api import conditional, links
from jobs.api.openapi.operation import PATCH_TYPES, operation
from jobs.api.parsers import Document
from jobs.api.views.base import JSON
from jobs.api.views.jobs import JobPartView
from jobs.domain.errors import FieldError, Invalid
from jobs.services.shared_state import CurrentState, current_state, patch_state, put_state

COMMON: dict[str, Any] = {"tag": "Shared state", "conditional": True, "headers": ("Link",), "errors": (403,)}
WRITE: dict[str, Any] = {**COMMON, "errors": (409, 428), "if_match_required": True, "tagged_answer": True}


class SharedStateView(JobPartView):
    """`/jobs/{jobID}/shared-state`."""

    fragment = "#state"

    @operation("Read the shared state", {200: "SharedState"}, has_page=True, **COMMON)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The state, byte for byte as it was written; `{}` at first."""
        state = current_state(self.readable_job(job_id))
        response = conditional.answer(request._request, state.etag, lambda: _body(state))
        return _linked(response, job_id)

    @operation("Replace the shared state", {200: "SharedState"}, body="SharedState", **WRITE)
    def put(self, request: Request, job_id: UUID) -> HttpResponse:
        """Replace the state; needs If-Match."""
        document = self._object()
        state = put_state(
            job_id, self.service, document.text, document.value, precondition=self.precondition, now=self.now
        )
        return _written(state, job_id)

    @operation(
        "Change the shared state", {200: "SharedState"}, body="SharedStatePatch", media_types=PATCH_TYPES, **WRITE
    )
    def patch(self, request: Request, job_id: UUID) -> HttpResponse:
        """Merge-patch the state (RFC 7396); needs If-Match. A null removes its property."""
        document = self._object()
        state = patch_state(job_id, self.service, document.value, precondition=self.precondition, now=self.now)
        return _written(state, job_id)

    def _object(self) -> Document:
        document = self.document()
        _require_object(document.value)
        return document


def _require_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise Invalid("A shared state is an object.", errors=[FieldError("", "This must be an object.")])


def _body(state: CurrentState) -> HttpResponse:
    return HttpResponse(state.body, content_type=JSON)


def _written(state: CurrentState, job_id: UUID) -> HttpResponse:
    """What was written is what a GET now answers, so the answer may bear its tag (RFC 9110 §9.3.4)."""
    response = _body(state)
    response["ETag"] = state.etag
    response["Cache-Control"] = "no-store"
    return _linked(response, job_id)


def _linked(response: HttpResponse, job_id: UUID) -> HttpResponse:
    response["Link"] = links.pattern_header(job_id, up=links.job(job_id))
    return response
