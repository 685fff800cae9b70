"""Named schemas of the OpenAPI document, each with an example that fits it."""

from enum import StrEnum
from typing import Any

from django.db.models import TextChoices
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


TEXT: JsonSchema = {"type": "string"}
URL: JsonSchema = {"type": "string", "format": "uri"}
UUID: JsonSchema = {"type": "string", "format": "uuid"}
WHOLE: JsonSchema = {"type": "integer", "minimum": 0}
TRUTH: JsonSchema = {"type": "boolean"}
TIME: JsonSchema = {"type": "string", "format": "date-time"}
LINKS: JsonSchema = {"type": "array", "items": {"$ref": "#/components/schemas/Link"}}
"""The kinds of members that most objects have."""


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


def collection(name: str, item: str) -> JsonSchema:
    """A list: its entries under `name`, and links."""
    return result(**{name: array_of(item), "links": LINKS})


def array_of(item: str) -> JsonSchema:
    """An array of a named schema."""
    return {"type": "array", "items": ref(item)}


def words(kind: type[StrEnum] | type[TextChoices]) -> JsonSchema:
    """One of the values of an enumeration."""
    return {"type": "string", "enum": [member.value for member in kind]}


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
        "jobID": UUID,
        "jobURL": URL,
        "jobName": TEXT,
        "jobDescription": TEXT,
        "jobStatus": words(JobStatus),
        "jobReason": nullable(words(Reason)),
        "jobMaxTTL": WHOLE,
        "jobOnTaskFailure": words(OnTaskFailure),
        "jobPlan": nullable(array_of("PlanStep")),
        "jobDateCreated": TIME,
        "jobDateUpdated": TIME,
        "jobStartDateTime": nullable(TIME),
        "jobStopDateTime": nullable(TIME),
        "jobDeadline": nullable(TIME),
        "jobProgressURL": URL,
        "jobSharedStateURL": URL,
        "jobCancelURL": URL,
        "links": LINKS,
    }


def _jobs() -> None:
    verdict = {"jobMaxTTL": WHOLE, "worstCaseSeconds": WHOLE, "fits": TRUTH}
    add("Verdict", result(**verdict), samples.VERDICT)
    whole = {**_job_members(), "budget": nullable(ref("Verdict")), "taskRecord": array_of("Task")}
    add("Job", result(**whole), samples.JOB)
    add("JobSummary", result(**_job_members()))
    add("JobList", collection("jobs", "JobSummary"))
    step = result(taskName=TEXT, worstCaseSeconds=WHOLE)
    add("Budget", result(**verdict, steps={"type": "array", "items": step}, links=LINKS), samples.BUDGET)


def _tasks() -> None:
    add(
        "Task",
        result(
            taskID=UUID,
            taskName=TEXT,
            taskDescription=TEXT,
            taskService=TEXT,
            taskStatus=words(TaskStatus),
            taskMaxTTL=nullable(WHOLE),
            taskCausedBy=nullable(UUID),
            taskStateChanged=TRUTH,
            taskURL=nullable(URL),
            taskCancelURL=nullable(URL),
            taskRevertURL=nullable(URL),
            taskStartDateTime=nullable(TIME),
            taskStopDateTime=nullable(TIME),
            taskDeadline=nullable(TIME),
            taskDateUpdated=TIME,
            _taskMessage=nullable(TEXT) | {"description": "For operators only."},
            links=LINKS,
        ),
        samples.TASK,
    )
    add("TaskList", collection("tasks", "Task"))


def _progress() -> None:
    item = result(
        taskID=UUID,
        taskName=TEXT,
        taskStatus=words(TaskStatus),
        taskStartDateTime=nullable(TIME),
        taskStopDateTime=nullable(TIME),
        taskMaxTTL=nullable(WHOLE),
    )
    add("TaskProgress", {**item, "additionalProperties": False})
    whole = result(
        jobID=UUID,
        jobName=TEXT,
        jobStatus=words(JobStatus),
        jobStartDateTime=nullable(TIME),
        jobStopDateTime=nullable(TIME),
        jobMaxTTL=WHOLE,
        tasks=array_of("TaskProgress"),
        links=LINKS,
    )
    add("Progress", {**whole, "additionalProperties": False}, samples.PROGRESS)


def _reports() -> None:
    add(
        "ErrorReport",
        result(
            reportID=UUID,
            type=nullable(TEXT),
            title=nullable(TEXT),
            status=nullable({"type": "integer"}),
            detail=nullable(TEXT),
            instance=nullable(TEXT),
            taskID=nullable(UUID),
            halting=TRUTH,
            reportService=TEXT,
            reportDateCreated=TIME,
            reportDateUpdated=TIME,
            _extensions={
                "type": "object",
                "additionalProperties": TEXT,
                "description": "For operators only: the report's further members as text.",
            },
            links=LINKS,
        ),
        samples.REPORT,
    )
    add("ErrorReportList", collection("errorReports", "ErrorReport"))


def _registry() -> None:
    add(
        "Location",
        result(
            locationID=UUID,
            url=URL,
            priority=WHOLE,
            leaseSeconds=WHOLE,
            kind=words(LocationKind),
            links=LINKS,
        ),
        samples.LOCATION,
    )
    add("LocationList", collection("locations", "Location"))


def _vocabulary() -> None:
    add(
        "Term",
        result(
            property=TEXT,
            title=TEXT,
            description=TEXT,
            schema={"type": "object"},
            absoluteByDefinition=TRUTH,
            searchable=TRUTH,
            links=LINKS,
        ),
        samples.TERM,
    )
    add("TermList", collection("terms", "Term"))
    descriptors: JsonSchema = {"type": "array", "items": {"type": "object"}}
    add("Alps", result(alps=result(version=TEXT, descriptor=descriptors)), samples.ALPS)


def _common() -> None:
    add("Link", result(rel=TEXT, href=TEXT, _templated=TRUTH, _type=TEXT), samples.LINK)
    add("Home", result(title=TEXT, links=LINKS))
    fault = result(pointer=TEXT, detail=TEXT)
    members = {"type": URL, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT, "instance": TEXT}
    add("Problem", result(**members, _errors={"type": "array", "items": fault}), samples.PROBLEM)


for _part in (_requests, _jobs, _tasks, _progress, _reports, _registry, _vocabulary, _common):
    _part()
