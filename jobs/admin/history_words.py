"""The history in sentences."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.domain.events import EventKind
from jobs.models import JobEvent
from jobs.templatetags.display import words

Data = Mapping[str, Any]


def sentence(event: JobEvent) -> str:
    """What happened, in words; who did it and when stand beside it. Needs the event's `task`."""
    about = f"task {event.task.name}" if event.task else "the job"
    text = _SENTENCES[EventKind(event.kind)](about, event.data)
    if why := event.data.get("why"):
        text += f" ({why})"
    if note := event.data.get("note"):
        text += f" by hand: {note}"
    return text[0].upper() + text[1:]


def _status(about: str, data: Data) -> str:
    if "new" not in data:
        return f"{about} changed its status"
    return f"{about} went from {words(str(data.get('old', '?')))} to {words(str(data['new']))}" + _reason(data)


def _reason(data: Data) -> str:
    return f": {words(str(data['reason']))}" if data.get("reason") and data["new"] == "cancelling" else ""


def _created(about: str, data: Data) -> str:
    late = ", after the job was cancelled" if data.get("late") else ""
    return f"{about} was created as {words(str(data.get('status', 'unknown')))}{late}"


def _changed(about: str, data: Data) -> str:
    return f"{about} changed: {', '.join(words(str(name)).replace('_', ' ') for name in data.get('changed', []))}"


def _late(about: str, data: Data) -> str:
    result = words(str(data.get("reported", "a result")))
    return f"{about} reported {result} after the job was cancelled; its work is reverted"


def _attempt(about: str, data: Data) -> str:
    answer = data.get("status_code") or data.get("statusCode") or data.get("outcome") or "no answer yet"
    return f"{data.get('action', 'a call')} of {about} was tried: {answer}"


def _settled(about: str, data: Data) -> str:
    outcome = f" ({data['outcome']})" if data.get("outcome") else ""
    return f"{data.get('action', 'a call')} of {about} ended: {data.get('status', 'unknown')}{outcome}"


def _queued(about: str, data: Data) -> str:
    until = f" until {_moment(str(data['until']))}" if data.get("until") else ""
    why = f": {data['detail']}" if data.get("detail") else ""
    return f"{data.get('action', 'a call')} of {about} waits in the replay queue{until}{why}"


def _lost(about: str, data: Data) -> str:
    return f"all leases of the service {data.get('service', 'of it')} have run out, with {about} at work"


def _written(about: str, data: Data) -> str:
    return f"shared state revision {data['revision']} was written" if "revision" in data else "shared state was written"


def _reported(about: str, data: Data) -> str:
    kind = "a halting error" if data.get("halting") else "an error"
    return f"{kind} was reported" + (f": {data['title']}" if data.get("title") else "")


def _operator(about: str, data: Data) -> str:
    if data.get("did"):
        return f"an operator had the {data.get('action', 'call')} of {about} made: {data['did']}"
    return f"an operator acted on {about}: {words(str(data.get('action', 'unknown')))}"


def _moment(at: str) -> str:
    try:
        return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return at


_SENTENCES: dict[EventKind, Callable[[str, Data], str]] = {
    EventKind.JOB_CREATED: _created,
    EventKind.JOB_CHANGED: _changed,
    EventKind.JOB_STATUS: _status,
    EventKind.TASK_CREATED: _created,
    EventKind.TASK_CHANGED: _changed,
    EventKind.TASK_STATUS: _status,
    EventKind.TASK_LATE: _late,
    EventKind.CALL_ATTEMPT: _attempt,
    EventKind.CALL_QUEUED: _queued,
    EventKind.CALL_SETTLED: _settled,
    EventKind.STATE_WRITTEN: _written,
    EventKind.REPORT_WRITTEN: _reported,
    EventKind.SERVICE_LOST: _lost,
    EventKind.OPERATOR_ACTION: _operator,
}
