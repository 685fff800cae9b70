"""Incidents: their states and transitions as data, how grave a cause is, and when an incident ends by itself."""

from enum import StrEnum

from jobs.domain.events import Cause
from jobs.domain.states import JobStatus, OnTaskFailure, TaskStatus, was_undone


class IncidentStatus(StrEnum):
    """Where a call for help is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How grave it is."""

    WARNING = "warning"
    CRITICAL = "critical"


class Verb(StrEnum):
    """What may be done to an incident."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class NoteKind(StrEnum):
    """One entry of an incident's log."""

    OPENED = "opened"
    JOINED = "joined"
    WORSE = "worse"
    CALLED = "called"
    NOBODY = "nobody"
    UNREACHABLE = "unreachable"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"


_S = IncidentStatus

INCIDENT_MOVES: dict[tuple[IncidentStatus, Verb], IncidentStatus] = {
    (_S.OPEN, Verb.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.OPEN, Verb.RESOLVE): _S.RESOLVED,
    (_S.ACKNOWLEDGED, Verb.RESOLVE): _S.RESOLVED,
    (_S.ACKNOWLEDGED, Verb.REOPEN): _S.OPEN,
}
"""Every move of an incident that exists. A resolved one never reopens: what comes later opens another."""

REPEATS: frozenset[tuple[IncidentStatus, Verb]] = frozenset(
    {(_S.ACKNOWLEDGED, Verb.ACKNOWLEDGE), (_S.RESOLVED, Verb.RESOLVE), (_S.OPEN, Verb.REOPEN)}
)
"""Verbs that ask for what already holds: they change nothing, and are no error."""

CRITICAL_CAUSES = frozenset({Cause.HALTING_ERROR, Cause.REVERT_FAILED})
_SETTLED_BY_UNDOING = frozenset({Cause.JOB_MAX_TTL, Cause.REVERT_FAILED, Cause.LEASES_LOST})
ENDED_WELL_ONCE_UNDONE = (JobStatus.CANCELLED, JobStatus.FAILED)
NOT_UNDONE = (TaskStatus.CANCELLING, TaskStatus.REVERTING, TaskStatus.REVERT_FAILED)


def severity_of(cause: Cause) -> Severity:
    """Critical when retries cannot mend it (a halting error, a revert that failed), a warning otherwise: a service that
    is gone may come back in time, and its job still go well."""
    return Severity.CRITICAL if cause in CRITICAL_CAUSES else Severity.WARNING


def is_worse(new: Severity, old: Severity) -> bool:
    """True when `new` is graver than `old`."""
    return new is Severity.CRITICAL and old is Severity.WARNING


def needs_human(cause: Cause, on_failure: OnTaskFailure) -> bool:
    """True for a cause that an undone job does not settle.

    A halting error says that retries cannot mend it, and a failure in `alert` mode is never undone: both stay until a
    human resolves them or the job is completed after all. What is over its max TTL, was not reverted, or was left by
    its service, is settled when everything is undone.
    """
    if cause is Cause.HALTING_ERROR:
        return True
    return cause not in _SETTLED_BY_UNDOING and on_failure is OnTaskFailure.ALERT


def ended_well(status: JobStatus, reason: str, *, open_tasks: bool, stays: bool, stopped_since: bool) -> bool:
    """Has the job itself put an end to its incident?

    `open_tasks`: some task is not undone yet, or could not be. `stays`: a cause needs a human. `stopped_since`: the
    job ended after the last cause, which a completed job must have: one that was completed before says nothing about
    a report that came later.
    """
    if status is JobStatus.COMPLETED:
        return stopped_since
    if stays or open_tasks or status not in ENDED_WELL_ONCE_UNDONE:
        return False
    return was_undone(status, reason)
