"""The dialogs before "Cancel and revert" and "Retry reverts": they say which tasks at which services will be called."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from unfold.forms import BaseDialogForm

from jobs.domain.states import TaskStatus
from jobs.domain.undo import to_undo
from jobs.models import Job, Task
from jobs.services.undo import facts


@dataclass(frozen=True)
class PlannedCall:
    """One line of the dialog: what will be asked of which service. `where` is its host, empty when it gave no URL."""

    task: Task
    what: str
    where: str


def find_job(object_id: int | str | None) -> Job:
    """The job of an admin URL. Raises Http404, also for what is no UUID."""
    try:
        return Job.objects.select_related("owner").get(pk=UUID(str(object_id)))
    except (Job.DoesNotExist, ValueError, ValidationError) as error:
        raise Http404("There is no job of this ID.") from error


def cancel_calls(job: Job) -> list[PlannedCall]:
    """What a cancel of the job would ask for now, the last thing done first."""
    tasks = {task.task_id: task for task in _tasks(job)}
    wanted = set(to_undo(facts(task) for task in tasks.values()))
    return [line for task in reversed(tasks.values()) if task.task_id in wanted for line in _of(task)]


def retry_calls(job: Job) -> list[PlannedCall]:
    """What a retry would ask for again."""
    stuck = [task for task in _tasks(job) if task.status == TaskStatus.REVERT_FAILED]
    return [_revert(task) if task.state_changed else _cancel(task) for task in reversed(stuck)]


def _tasks(job: Job) -> list[Task]:
    return list(job.tasks.select_related("service").prefetch_related("calls").order_by("created_at", "id"))


def _of(task: Task) -> list[PlannedCall]:
    lines = [_cancel(task)] if task.status == TaskStatus.WORKING and (task.cancel_url or not task.state_changed) else []
    return [*lines, _revert(task)] if task.state_changed and task.started_at else lines


def _cancel(task: Task) -> PlannedCall:
    return PlannedCall(task, "cancel", urlsplit(task.cancel_url).netloc)


def _revert(task: Task) -> PlannedCall:
    return PlannedCall(task, "revert", urlsplit(task.revert_url).netloc)


class CancelForm(BaseDialogForm):
    """Nothing to fill in: the dialog only tells."""

    form_before_template = "jobs/admin/undo_dialog.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """The job and its calls."""
        job = find_job(object_id)
        return {"job": job, "calls": cancel_calls(job), "retry": False}


class RetryForm(BaseDialogForm):
    """Nothing to fill in: the dialog only tells."""

    form_before_template = "jobs/admin/undo_dialog.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        """The job and its calls."""
        job = find_job(object_id)
        return {"job": job, "calls": retry_calls(job), "retry": True}
