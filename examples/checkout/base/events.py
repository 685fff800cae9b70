"""CloudEvents 1.0 over HTTP in binary mode, sent until they are accepted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from choreo_client import Choreo, Correlation, Dependency, Registry, from_headers

from examples.checkout.base.ids import canonical_uuid
from examples.checkout.base.problems import BadRequest
from examples.checkout.base.settings import Settings

SEND_SECONDS = 120
"""How long an event is offered before its subscriber counts as lost."""


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
    """Puts an event to the one subscriber, at whichever of its locations answers; TryAgain when none does.

    PUT under the event's own ID: it may be repeated, which a POST may not (pattern: "only on idempotent methods").
    """

    def __init__(self, settings: Settings, choreo: Choreo) -> None:
        service = settings.subscriber_service
        self._subscriber = Dependency(
            settings.subscriber_url,
            static=settings.subscriber_fallback_url or None,
            registry=Registry(choreo, service) if service else None,
        )

    def send(self, event: Event) -> None:
        """One attempt at each location; the queue that the event waits in has the patience."""
        self._subscriber.call_once("PUT", f"/{quote(event.id, safe='')}", event.data, event.headers())
