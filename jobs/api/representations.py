"""Rows as the contract's JSON objects. Which members exist does not depend on values: what is not there is null."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.api import links
from jobs.domain.budget import Budget, budget, plan_chain, with_observed
from jobs.domain.states import JOB_CAN_CHANGE
from jobs.models import ErrorReport, Job, Location, Task, VocabularyTerm

Json = dict[str, Any]

PROBLEM_MEMBERS = ("type", "title", "status", "detail", "instance")
"""RFC 9457 §3.1."""


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with `Z`, to the microsecond that is stored."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def job(row: Job, tasks: Sequence[Task] | None, *, for_operator: bool = False) -> Json:
    """A job with its tasks; without `taskRecord` and `budget` where `tasks` is None, as in lists."""
    body: Json = {
        "jobID": str(row.pk),
        "jobURL": links.job(row.pk),
        "jobName": row.name,
        "jobDescription": row.description,
        "jobStatus": row.status,
        "jobReason": row.reason or None,
        "jobMaxTTL": row.max_ttl,
        "jobOnTaskFailure": row.on_task_failure,
        "jobPlan": row.plan,
        **_job_times(row),
        "jobProgressURL": links.job(row.pk, "progress"),
        "jobSharedStateURL": links.job(row.pk, "shared-state"),
        "jobCancelURL": links.job(row.pk, "cancellation"),
    }
    if tasks is not None:
        body["budget"] = _verdict(_budget(row, tasks)) if row.plan else None
        body["taskRecord"] = [task(item, for_operator=for_operator) for item in tasks]
    return body | {"links": links.of_job(row.pk)}


def task(row: Task, *, for_operator: bool = False) -> Json:
    """A task; its message is for operators only."""
    body: Json = {
        "taskID": str(row.task_id),
        "taskName": row.name,
        "taskDescription": row.description,
        "taskService": row.service.name,
        "taskStatus": row.status,
        "taskMaxTTL": row.max_ttl,
        "taskCausedBy": str(row.caused_by) if row.caused_by else None,
        "taskStateChanged": row.state_changed,
        "taskURL": row.url or None,
        "taskCancelURL": row.cancel_url or None,
        "taskRevertURL": row.revert_url or None,
        "taskStartDateTime": instant(row.started_at),
        "taskStopDateTime": instant(row.stopped_at),
        "taskDeadline": instant(row.deadline_at),
        "taskDateUpdated": instant(row.updated_at),
    }
    if for_operator:
        body["taskMessage"] = row.message or None
    return body | {"links": links.of_task(row.job_id, row.task_id)}


def progress(row: Job, tasks: Iterable[Task]) -> Json:
    """The progress resource: exactly these members, whatever else is known (pattern: "Keep the progress resource
    minimal")."""
    here = links.job(row.pk, "progress")
    can_change = row.status in JOB_CAN_CHANGE
    return {
        "jobID": str(row.pk),
        "jobName": row.name,
        "jobStatus": row.status,
        "jobStartDateTime": instant(row.started_at),
        "jobStopDateTime": instant(row.stopped_at),
        "jobMaxTTL": row.max_ttl,
        "tasks": [_task_progress(item) for item in tasks],
        "links": [links.link("self", here), *([links.link("refresh", here)] if can_change else [])],
    }


def report(row: ErrorReport, *, for_operator: bool = False) -> Json:
    """An error report. What it holds beside RFC 9457's members is shown to operators, as JSON text in `extensions`."""
    here = links.job(row.job_id, f"error-reports/{row.report_id}")
    body: Json = {
        "reportID": str(row.report_id),
        **{name: row.body.get(name) for name in PROBLEM_MEMBERS},
        "taskID": str(row.task_id) if row.task_id else None,
        "halting": row.halting,
        "reportService": row.service.name,
        "reportDateCreated": instant(row.created_at),
        "reportDateUpdated": instant(row.updated_at),
    }
    if for_operator:
        body["extensions"] = _extensions(row.body)
    return body | {"links": [links.link("self", here), links.link("up", links.job(row.job_id))]}


def location(row: Location, service_name: str) -> Json:
    """A location. When the lease ends is left out: a renewal then changes nothing that is cached."""
    collection = links.api(f"services/{service_name}/locations")
    return {
        "locationID": str(row.location_id),
        "url": row.url,
        "priority": row.priority,
        "leaseSeconds": row.lease_seconds,
        "kind": row.kind,
        "links": [links.link("self", f"{collection}/{row.location_id}"), links.link("up", collection)],
    }


def term(row: VocabularyTerm) -> Json:
    """A term of the vocabulary."""
    collection = links.api("vocabulary")
    return {
        "property": row.property,
        "title": row.title,
        "description": row.description,
        "schema": row.schema,
        "absoluteByDefinition": row.absolute_by_definition,
        "searchable": row.searchable,
        "links": [links.link("self", f"{collection}/{row.property}"), links.link("up", collection)],
    }


def alps(rows: Iterable[VocabularyTerm]) -> Json:
    """Terms as an ALPS document, in the form in which `load_vocabulary` and PUT read it again."""
    return {"alps": {"version": "1.0", "descriptor": [_descriptor(row) for row in rows]}}


def full_budget(row: Job, tasks: Sequence[Task]) -> Json:
    """The compounding-delay budget of a job, step by step: its plan, corrected by the tasks that there are."""
    computed = _budget(row, tasks)
    steps = [{"taskName": step.name, "worstCaseSeconds": step.worst_case} for step in computed.steps]
    here = links.job(row.pk, "budget")
    return {
        **_verdict(computed),
        "steps": steps,
        "links": [links.link("self", here), links.link("up", links.job(row.pk))],
    }


def _budget(row: Job, tasks: Sequence[Task]) -> Budget:
    names = {task.task_id: task.name for task in tasks}
    observed = [(task.name, names.get(task.caused_by) if task.caused_by else None, task.max_ttl) for task in tasks]
    return budget(row.max_ttl, with_observed(plan_chain(row.plan or []), observed))


def _verdict(computed: Budget) -> Json:
    return {
        "jobMaxTTL": computed.max_ttl,
        "worstCaseSeconds": computed.worst_case_seconds,
        "fits": computed.fits,
    }


def _job_times(row: Job) -> Json:
    return {
        "jobDateCreated": instant(row.created_at),
        "jobDateUpdated": instant(row.updated_at),
        "jobStartDateTime": instant(row.started_at),
        "jobStopDateTime": instant(row.stopped_at),
        "jobDeadline": instant(row.deadline_at),
    }


def _task_progress(row: Task) -> Json:
    return {
        "taskID": str(row.task_id),
        "taskName": row.name,
        "taskStatus": row.status,
        "taskStartDateTime": instant(row.started_at),
        "taskStopDateTime": instant(row.stopped_at),
        "taskMaxTTL": row.max_ttl,
    }


def _extensions(body: Json) -> dict[str, str]:
    known = {*PROBLEM_MEMBERS, "taskID", "halting"}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in body.items()
        if name not in known
    }


def _descriptor(row: VocabularyTerm) -> Json:
    extensions = [{"id": "schema", "value": json.dumps(row.schema)}]
    if row.absolute_by_definition:
        extensions.append({"id": "absoluteByDefinition", "value": "true"})
    if row.searchable:
        extensions.append({"id": "searchable", "value": "true"})
    return {
        "id": row.property,
        "type": "semantic",
        "title": row.title,
        "doc": {"value": row.description},
        "ext": extensions,
    }
