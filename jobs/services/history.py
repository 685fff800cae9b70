"""Writing the append-only history."""

from datetime import datetime

from jobs.domain.events import Cause, EventKind
from jobs.models import Job, JobEvent, Task
from jobs.services.wake import wake_after_commit

CHOREO = "choreo"
"""The actor of what the server does by itself."""


def record(
    job: Job,
    kind: EventKind,
    *,
    actor: str,
    now: datetime,
    task: Task | None = None,
    cause: Cause = Cause.NONE,
    **data: object,
) -> JobEvent:
    """Add one entry to a job's history, in the transaction of the change itself; a `cause` calls for help."""
    event = JobEvent.objects.create(job=job, task=task, kind=kind, cause=cause, actor=actor, at=now, data=data)
    if cause:
        wake_after_commit("escalation.sweep_incidents")
    return event
