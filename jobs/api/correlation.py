"""The IDs that travel on every message (pattern: "Shared state and correlation").

`correlation-id` is the jobID, `request-id` the taskID. Under a job's or a task's URL they are the URL's own;
elsewhere they are the caller's, and a request-id is made where there is none.
"""

import re
import uuid
from dataclasses import dataclass

from django.http import HttpRequest

from jobs.api.errors import CorrelationInvalid, CorrelationMismatch

CORRELATION_ID = "correlation-id"
REQUEST_ID = "request-id"

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PATH = re.compile(rf"/api/v1/jobs/({_UUID})(?:/tasks/({_UUID})(?=/|$)|/|$)")
_VISIBLE = re.compile(r"[!-~]{1,128}")
_TRACEPARENT = re.compile(
    r"(?!ff|00-.{53})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
)


@dataclass(frozen=True)
class Correlation:
    """The two IDs of one exchange; `correlation_id` is None where there is no job and the caller sent none."""

    correlation_id: str | None
    request_id: str

    def headers(self) -> dict[str, str]:
        """The headers that the response bears, whatever else it says."""
        ids = {CORRELATION_ID: self.correlation_id, REQUEST_ID: self.request_id}
        return {name: value for name, value in ids.items() if value is not None}


def of_path(path: str) -> Correlation:
    """What the URL alone demands. Safe for any request: nothing that came in a header is in it."""
    job_id, task_id = _ids(path)
    return Correlation(job_id, task_id or str(uuid.uuid4()))


def of_request(request: HttpRequest) -> Correlation:
    """The URL's IDs, else the caller's. Raises CorrelationInvalid or CorrelationMismatch."""
    job_id, task_id = _ids(request.path)
    given_job, given_task = _given(request, CORRELATION_ID), _given(request, REQUEST_ID)
    _agree(CORRELATION_ID, job_id, given_job)
    _agree(REQUEST_ID, task_id, given_task)
    return Correlation(
        correlation_id=job_id or next(iter(given_job), None),
        request_id=task_id or next(iter(given_task), None) or str(uuid.uuid4()),
    )


def traceparent(request: HttpRequest) -> str:
    """The caller's W3C Trace Context when it is valid, else nothing. A later version's tail is cut off."""
    value: str = request.META.get("HTTP_TRACEPARENT", "").strip()
    return value[:55] if _TRACEPARENT.fullmatch(value) else ""


def _ids(path: str) -> tuple[str | None, str | None]:
    match = _PATH.match(path)
    job_id, task_id = match.groups() if match else (None, None)
    return job_id and job_id.lower(), task_id and task_id.lower()


def _given(request: HttpRequest, name: str) -> list[str]:
    """The header and its alias, the header first."""
    values = [request.headers[n] for n in (name, f"x-{name}") if n in request.headers]
    if not all(_VISIBLE.fullmatch(value) for value in values):
        raise CorrelationInvalid(f"{name} is 1 to 128 visible ASCII characters.")
    return values


def _agree(name: str, expected: str | None, given: list[str]) -> None:
    if expected is not None and any(value.lower() != expected for value in given):
        raise CorrelationMismatch(f"{name} names another ID than the URL does.")
