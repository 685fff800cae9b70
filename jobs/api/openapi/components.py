"""Named schemas of the OpenAPI document, each with an example that fits it."""

from typing import Any

from rest_framework import serializers

from jobs.api.fields import Member
from jobs.api.openapi import samples
from jobs.api.serializers.base import Body
from jobs.api.serializers.jobs import MAX_STEPS, JobBody, PlanStepBody
from jobs.api.serializers.parts import ErrorReportBody, LocationBody, TermBody
from jobs.api.serializers.tasks import TaskBody
from jobs.domain.states import JobStatus, OnTaskFailure, Reason, TaskStatus
from jobs.models.accounts import LocationKind

JsonSchema = dict[str, Any]

SCHEMAS: dict[str, JsonSchema] = {}
"""By name. Another app adds its own with `add` when its API is imported."""


def add(name: str, schema: JsonSchema, example: object = None) -> None:
    """Name a schema."""
    SCHEMAS[name] = schema | ({"examples": [example]} if example is not None else {})


def ref(name: str) -> JsonSchema:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: JsonSchema) -> JsonSchema:
    """The same, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


def result(**members: JsonSchema) -> JsonSchema:
    """An object that is answered: all of its members are always there, except those named `_…`."""
    properties = {name.removeprefix("_"): schema for name, schema in members.items()}
    required = [name for name in members if not name.startswith("_")]
    return {"type": "object", "properties": properties, "required": required}


def request_body(body: type[Body], *, patch: bool = False) -> JsonSchema:
    """An object that is asked for. In a merge patch (RFC 7396) nothing has to be there."""
    fields = body().fields
    schema: JsonSchema = {"type": "object", "properties": {name: _member(field) for name, field in fields.items()}}
    required = [name for name, field in fields.items() if field.required and not patch]
    return schema | ({"required": required} if required else {})


def _member(field: Any) -> JsonSchema:
    schema: JsonSchema
    if isinstance(field, serializers.ListSerializer):
        schema = {"type": "array", "items": ref("PlanStep"), "maxItems": MAX_STEPS}
    else:
        assert isinstance(field, Member)
        schema = field.openapi()
    if field.allow_null:
        schema = nullable(schema)
    return schema | ({"description": str(field.help_text)} if field.help_text else {})


_TEXT: JsonSchema = {"type": "string"}
_URL: JsonSchema = {"type": "string", "format": "uri"}
_UUID: JsonSchema = {"type": "string", "format": "uuid"}
_WHOLE: JsonSchema = {"type": "integer", "minimum": 0}
_TRUTH: JsonSchema = {"type": "boolean"}
_TIME: JsonSchema = {"type": "string", "format": "date-time"}
_LINKS: JsonSchema = {"type": "array", "items": ref("Link")}


def _words(kind: Any) -> JsonSchema:
    return {"type": "string", "enum": [member.value for member in kind]}


def _list(name: str, item: str) -> JsonSchema:
    return result(**{name: {"type": "array", "items": ref(item)}, "links": _LINKS})


def _array(item: str) -> JsonSchema:
    return {"type": "array", "items": ref(item)}


def _requests() -> None:
    add("PlanStep", request_body(PlanStepBody), samples.PLAN_STEP)
    for name, body, sample in (
        ("JobRequest", JobBody, samples.JOB_REQUEST),
        ("TaskRequest", TaskBody, samples.TASK_REQUEST),
        ("ErrorReportRequest", ErrorReportBody, samples.REPORT_REQUEST),
        ("LocationRequest", LocationBody, samples.LOCATION_REQUEST),
        ("TermRequest", TermBody, samples.TERM_REQUEST),
    ):
        add(name, request_body(body), sample)
    add("Nothing", {"description": "Any JSON; nothing is read from it."}, {})
    add("JobPatch", request_body(JobBody, patch=True), {"jobStatus": "completed"})
    add("TaskPatch", request_body(TaskBody, patch=True), {"taskStatus": "completed"})
    add("SharedState", {"type": "object", "description": "Its properties are terms of the vocabulary."}, samples.STATE)
    add(
        "SharedStatePatch",
        {"type": "object", "description": "A merge patch (RFC 7396): null removes."},
        {"updatedPrice": 42.5},
    )


def _job_members() -> dict[str, JsonSchema]:
    return {
        "jobID": _UUID,
        "jobURL": _URL,
        "jobName": _TEXT,
        "jobDescription": _TEXT,
        "jobStatus": _words(JobStatus),
        "jobReason": nullable(_words(Reason)),
        "jobMaxTTL": _WHOLE,
        "jobOnTaskFailure": _words(OnTaskFailure),
        "jobPlan": nullable(_array("PlanStep")),
        "jobDateCreated": _TIME,
        "jobDateUpdated": _TIME,
        "jobStartDateTime": nullable(_TIME),
        "jobStopDateTime": nullable(_TIME),
        "jobDeadline": nullable(_TIME),
        "jobProgressURL": _URL,
        "jobSharedStateURL": _URL,
        "jobCancelURL": _URL,
        "links": _LINKS,
    }


def _jobs() -> None:
    verdict = {"jobMaxTTL": _WHOLE, "worstCaseSeconds": _WHOLE, "fits": _TRUTH}
    add("Verdict", result(**verdict), samples.VERDICT)
    whole = {**_job_members(), "budget": nullable(ref("Verdict")), "taskRecord": _array("Task")}
    add("Job", result(**whole), samples.JOB)
    add("JobSummary", result(**_job_members()))
    add("JobList", _list("jobs", "JobSummary"))
    step = result(taskName=_TEXT, worstCaseSeconds=_WHOLE)
    add("Budget", result(**verdict, steps={"type": "array", "items": step}, links=_LINKS), samples.BUDGET)


def _tasks() -> None:
    add(
        "Task",
        result(
            taskID=_UUID,
            taskName=_TEXT,
            taskDescription=_TEXT,
            taskService=_TEXT,
            taskStatus=_words(TaskStatus),
            taskMaxTTL=nullable(_WHOLE),
            taskCausedBy=nullable(_UUID),
            taskStateChanged=_TRUTH,
            taskURL=nullable(_URL),
            taskCancelURL=nullable(_URL),
            taskRevertURL=nullable(_URL),
            taskStartDateTime=nullable(_TIME),
            taskStopDateTime=nullable(_TIME),
            taskDeadline=nullable(_TIME),
            taskDateUpdated=_TIME,
            _taskMessage=nullable(_TEXT) | {"description": "For operators only."},
            links=_LINKS,
        ),
        samples.TASK,
    )
    add("TaskList", _list("tasks", "Task"))


def _progress() -> None:
    item = result(
        taskID=_UUID,
        taskName=_TEXT,
        taskStatus=_words(TaskStatus),
        taskStartDateTime=nullable(_TIME),
        taskStopDateTime=nullable(_TIME),
        taskMaxTTL=nullable(_WHOLE),
    )
    add("TaskProgress", {**item, "additionalProperties": False})
    whole = result(
        jobID=_UUID,
        jobName=_TEXT,
        jobStatus=_words(JobStatus),
        jobStartDateTime=nullable(_TIME),
        jobStopDateTime=nullable(_TIME),
        jobMaxTTL=_WHOLE,
        tasks=_array("TaskProgress"),
        links=_LINKS,
    )
    add("Progress", {**whole, "additionalProperties": False}, samples.PROGRESS)


def _reports() -> None:
    add(
        "ErrorReport",
        result(
            reportID=_UUID,
            type=nullable(_TEXT),
            title=nullable(_TEXT),
            status=nullable({"type": "integer"}),
            detail=nullable(_TEXT),
            instance=nullable(_TEXT),
            taskID=nullable(_UUID),
            halting=_TRUTH,
            reportService=_TEXT,
            reportDateCreated=_TIME,
            reportDateUpdated=_TIME,
            _extensions={
                "type": "object",
                "additionalProperties": _TEXT,
                "description": "For operators only: the report's further members as text.",
            },
            links=_LINKS,
        ),
        samples.REPORT,
    )
    add("ErrorReportList", _list("errorReports", "ErrorReport"))


def _registry() -> None:
    add(
        "Location",
        result(
            locationID=_UUID,
            url=_URL,
            priority=_WHOLE,
            leaseSeconds=_WHOLE,
            kind=_words(LocationKind),
            links=_LINKS,
        ),
        samples.LOCATION,
    )
    add("LocationList", _list("locations", "Location"))


def _vocabulary() -> None:
    add(
        "Term",
        result(
            property=_TEXT,
            title=_TEXT,
            description=_TEXT,
            schema={"type": "object"},
            absoluteByDefinition=_TRUTH,
            searchable=_TRUTH,
            links=_LINKS,
        ),
        samples.TERM,
    )
    add("TermList", _list("terms", "Term"))
    descriptors: JsonSchema = {"type": "array", "items": {"type": "object"}}
    add("Alps", result(alps=result(version=_TEXT, descriptor=descriptors)), samples.ALPS)


def _common() -> None:
    add("Link", result(rel=_TEXT, href=_TEXT, _templated=_TRUTH, _type=_TEXT), samples.LINK)
    add("Home", result(title=_TEXT, links=_LINKS))
    fault = result(pointer=_TEXT, detail=_TEXT)
    members = {"type": _URL, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "instance": _TEXT}
    add("Problem", result(**members, _errors={"type": "array", "items": fault}), samples.PROBLEM)


for _part in (_requests, _jobs, _tasks, _progress, _reports, _registry, _vocabulary, _common):
    _part()
