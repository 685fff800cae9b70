"""What is stored: fields, constraints and querysets; who may change it is the services' business."""

from jobs.models.accounts import Location, Service, ServiceToken
from jobs.models.calls import Call, CallAttempt
from jobs.models.history import JobEvent
from jobs.models.job import Job, JobProgress
from jobs.models.reports import ErrorReport
from jobs.models.state import StateRevision, VocabularyTerm
from jobs.models.sweeps import SweepBeat
from jobs.models.task import Task

__all__ = [
    "Call",
    "CallAttempt",
    "ErrorReport",
    "Job",
    "JobEvent",
    "JobProgress",
    "Location",
    "Service",
    "ServiceToken",
    "StateRevision",
    "SweepBeat",
    "Task",
    "VocabularyTerm",
]
