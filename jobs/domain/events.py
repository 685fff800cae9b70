"""What is written into the append-only history, and which of it calls for help."""

from enum import StrEnum


class EventKind(StrEnum):
    """One entry of a job's history."""

    JOB_CREATED = "job.created"
    JOB_CHANGED = "job.changed"
    JOB_STATUS = "job.status"
    TASK_CREATED = "task.created"
    TASK_CHANGED = "task.changed"
    TASK_STATUS = "task.status"
    TASK_LATE = "task.late"
    CALL_ATTEMPT = "call.attempt"
    CALL_QUEUED = "call.queued"
    CALL_SETTLED = "call.settled"
    STATE_WRITTEN = "state.written"
    REPORT_WRITTEN = "report.written"
    SERVICE_LOST = "service.lost"
    OPERATOR_ACTION = "operator.action"


class Cause(StrEnum):
    """Why a human is called; an event that bears one is picked up by the escalation app."""

    NONE = ""
    JOB_MAX_TTL = "jobMaxTTL"
    TASK_FAILED = "taskFailed"
    TASK_MAX_TTL = "taskMaxTTL"
    HALTING_ERROR = "haltingError"
    REVERT_FAILED = "revertFailed"
    LEASES_LOST = "leasesLost"
