"""CloudEvents 1.0 over HTTP in binary mode, sent until they are accepted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from choreo_client import Correlation, Entry, TryAgain, from_headers
from choreo_client.fallback import is_transient

from examples.checkout.base.ids import canonical_uuid
from examples.checkout.base.problems import BadRequest, ServiceError

SEND_SECONDS = 120
"""How long an event is offered before its subscriber counts as lost."""


class NotAccepted(ServiceError):
    """The subscriber refused an event for good."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `job_id` and `task_id` are its emitter's."""

    id: str
    type: str
    source: str
    time: str
    job_id: str
    task_id: str
    traceparent: str | None
    data: dict[str, Any]

    def headers(self) -> dict[str, str]:
        """The CloudEvents attributes and the correlation, as HTTP headers."""
        return {
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": self.type,
            "ce-source": self.source,
            "ce-time": self.time,
            "ce-correlationid": self.job_id,
            "content-type": "application/json",
            **Correlation(self.job_id, self.task_id, self.traceparent).headers(),
        }

    def payload(self) -> dict[str, Any]:
        """The event as a queue's entry."""
        return asdict(self)


def read_event(headers: Mapping[str, str], data: dict[str, Any]) -> Event:
    """The event of an incoming request; BadRequest when it is none."""
    ce = {k.lower()[3:]: v for k, v in headers.items() if k.lower().startswith("ce-")}
    correlation = from_headers(headers)
    if ce.get("specversion") != "1.0" or not (ce.get("id") and ce.get("type")):
        raise BadRequest("ce-specversion 1.0, ce-id and ce-type are required")
    if ce.get("correlationid", correlation.job_id) != correlation.job_id:
        raise BadRequest("ce-correlationid and correlation-id differ")
    return Event(
        id=ce["id"],
        type=ce["type"],
        source=ce.get("source", ""),
        time=ce.get("time", ""),
        job_id=canonical_uuid(correlation.job_id, "correlation-id"),
        task_id=canonical_uuid(correlation.task_id, "request-id"),
        traceparent=correlation.traceparent,
        data=data,
    )


class Sender:
    """Posts queued events to the one subscriber; a ReplayQueue's `deliver`."""

    def __init__(self, subscriber_url: str) -> None:
        self._url = subscriber_url
        # Neighbours are spoken to directly, whatever proxy the environment names.
        self._http = httpx.Client(timeout=5.0, trust_env=False)

    def __call__(self, entry: Entry) -> None:
        event = Event(**entry.payload)
        content = json.dumps(event.data).encode()
        try:
            answer = self._http.post(self._url, headers=event.headers(), content=content)
        except httpx.RequestError as error:
            raise TryAgain(repr(error)) from error
        if is_transient(answer.status_code):
            raise TryAgain(f"{self._url} answered {answer.status_code}")
        if not answer.is_success:
            raise NotAccepted(f"{self._url} answered {answer.status_code}")
