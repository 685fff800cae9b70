"""Entity tags of jobs and tasks: digests of the rows that their representations are made of."""

from collections.abc import Iterable

from jobs.domain.preconditions import NO_PRECONDITION, Precondition, content_etag
from jobs.models import Job, Task
from jobs.selectors import tasks_of

_NOT_SHOWN = frozenset({"version", "traceparent", "late_at"})
"""What no representation depends on, and what may differ with the order in which the same reports came. A new column
is part of the tag unless it is named here: a tag that changes too often costs a read, one that stays costs a write."""

_JOB_COLUMNS = [field.attname for field in Job._meta.concrete_fields if field.name not in _NOT_SHOWN]
_TASK_COLUMNS = [field.attname for field in Task._meta.concrete_fields if field.name not in {"id", *_NOT_SHOWN}]


def job_tag(job: Job, tasks: Iterable[Task]) -> str:
    """The tag of a job, which shows all of its tasks; `tasks` in the order of `selectors.tasks_of`."""
    return content_etag("j", [_values(job, _JOB_COLUMNS), [_values(task, _TASK_COLUMNS) for task in tasks]])


def task_tag(task: Task) -> str:
    """The tag of a task."""
    return content_etag("t", _values(task, _TASK_COLUMNS))


def check_job(precondition: Precondition, job: Job) -> None:
    """What a write of a locked job demands of the present; reads the tasks only if it demands anything.

    Raises PreconditionFailed.
    """
    if precondition != NO_PRECONDITION:
        precondition.check(job_tag(job, tasks_of(job)))


def check_task(precondition: Precondition, task: Task | None) -> None:
    """The same of a task, None where there is none yet."""
    if precondition != NO_PRECONDITION:
        precondition.check(task_tag(task) if task else None)


def _values(row: Job | Task, columns: list[str]) -> list[object]:
    return [getattr(row, name) for name in columns]
