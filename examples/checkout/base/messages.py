"""What a service says about a task: to Choreo, and to its subscriber."""

from datetime import UTC, datetime

from examples.checkout.base.events import Event
from examples.checkout.base.ids import derived_id
from examples.checkout.base.settings import Settings
from examples.checkout.base.store import State, Task


def task_report(task: Task, settings: Settings, name: str, status: str, *, changed: bool) -> State:
    """The body of a task's PUT; `changed` says whether there is something to revert."""
    url = f"{settings.public_url}/tasks/{task.task_id}"
    body = {
        "taskName": name,
        "taskStatus": status,
        "taskMaxTTL": settings.task_max_ttl,
        "taskStateChanged": changed,
        "taskURL": url,
        "taskCancelURL": f"{url}/cancel",
        "taskRevertURL": f"{url}/revert",
    }
    return body if task.caused_by is None else {**body, "taskCausedBy": task.caused_by}


def event_of(task: Task, service: str, kind: str, state: State) -> Event:
    """The event that tells of a task's effect; sent again, it has the same ID."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Event(
        id=derived_id(task.job_id, service, kind),
        type=kind,
        source=f"urn:choreo:examples:checkout:{service}",
        time=time.replace("+00:00", "Z"),
        job_id=task.job_id,
        task_id=task.task_id,
        traceparent=task.traceparent,
        data=state,
    )


def lost_event_report(event: Event, error: Exception) -> State:
    """The error report that calls for help when nobody takes an event."""
    return {
        "type": "about:blank",
        "title": "Event not accepted",
        "detail": f"{event.type} found no taker: {type(error).__name__}",
        "taskID": event.task_id,
        "halting": True,
    }
