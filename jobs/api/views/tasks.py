"""Tasks."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from jobs import selectors
from jobs.api import conditional, correlation, links, queries, representations
from jobs.api.openapi.operation import PATCH_TYPES, WINDOW, header, operation
from jobs.api.serializers.tasks import TaskBody
from jobs.api.views.base import json_response
from jobs.api.views.jobs import JobPartView
from jobs.models import Task
from jobs.services.tags import task_tag
from jobs.services.task_reports import write_task

READ: dict[str, Any] = {"tag": "Tasks", "conditional": True, "has_page": True}
TRACE = header("traceparent", {"type": "string"}, "W3C Trace Context, kept with the task when it is valid.")
WRITE: dict[str, Any] = {
    "tag": "Tasks",
    "errors": (409,),
    "headers": ("Link",),
    "conditional": True,
    "parameters": (TRACE,),
}


class TaskListView(JobPartView):
    """`/jobs/{jobID}/tasks`."""

    fragment = "#tasks"

    @operation("List a job's tasks", {200: "TaskList"}, parameters=WINDOW, errors=(403, 422), **READ)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The job's tasks in the order of their creation."""
        _, tasks = selectors.with_tasks(self.readable_job(job_id))
        here = links.job(job_id, "tasks")
        rows, around = queries.window(request.query_params).of(tasks, here)
        body = {
            "tasks": [representations.task(row, for_operator=self.caller.is_operator) for row in rows],
            "links": [*around, links.link("up", links.job(job_id)), links.template("task", f"{here}/{{taskID}}")],
        }
        return self.tagged(body)


class TaskView(JobPartView):
    """`/jobs/{jobID}/tasks/{taskID}`."""

    fragment = "#tasks"

    @operation("Read a task", {200: "Task"}, errors=(403,), headers=("Link",), **READ)
    def get(self, request: Request, job_id: UUID, task_id: UUID) -> HttpResponse:
        """The task."""
        task = selectors.find_task(self.readable_job(job_id), task_id)
        response = conditional.answer(
            request._request, self.variant(task_tag(task)), lambda: json_response(self._shown(task))
        )
        return _linked(response, job_id)

    @operation("Create or replace a task", {201: "Task", 200: "Task"}, body="TaskRequest", **WRITE)
    def put(self, request: Request, job_id: UUID, task_id: UUID) -> HttpResponse:
        """Create (201) or replace (200) a task of this service's own."""
        return self._write(job_id, task_id, self.replacement(TaskBody), create=True)

    @operation("Change a task", {200: "Task"}, body="TaskPatch", media_types=PATCH_TYPES, **WRITE)
    def patch(self, request: Request, job_id: UUID, task_id: UUID) -> HttpResponse:
        """Change some of a task's members (RFC 7396)."""
        return self._write(job_id, task_id, self.changes(TaskBody), create=False)

    def _shown(self, task: Task) -> representations.Json:
        return representations.task(task, for_operator=self.caller.is_operator)

    def _write(self, job_id: UUID, task_id: UUID, values: dict[str, Any], *, create: bool) -> HttpResponse:
        written = write_task(
            job_id,
            task_id,
            self.service,
            values,
            create=create,
            traceparent=correlation.traceparent(self.request._request),
            precondition=self.precondition,
            now=self.now,
        )
        location = {"Location": links.task(job_id, task_id)} if written.created else {}
        written.row.service = self.service  # only the task's own service gets here: no need to read it again
        body = representations.task(written.row)
        return _linked(json_response(body, 201 if written.created else 200, headers=location), job_id)


def _linked(response: HttpResponse, job_id: UUID) -> HttpResponse:
    response["Link"] = links.pattern_header(job_id, up=links.job(job_id))
    return response
