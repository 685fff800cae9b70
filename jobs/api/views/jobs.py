"""Jobs, their cancellation and their budget."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from jobs import selectors
from jobs.api import conditional, links, queries, representations
from jobs.api.openapi.operation import LIMIT, PATCH_TYPES, header, operation, query
from jobs.api.preferences import prefers_strict
from jobs.api.serializers.jobs import JobBody
from jobs.api.views.base import ApiView, json_response
from jobs.domain.budget import budget, plan_chain
from jobs.domain.errors import BudgetExceeded
from jobs.domain.states import JobStatus
from jobs.models import Job
from jobs.services.access import Written
from jobs.services.job_reports import request_cancellation, write_job
from jobs.services.tags import job_tag

TEXT = {"type": "string", "maxLength": queries.MAX_TEXT, "pattern": "^[^\\x00]*$"}
TIME = {"type": "string", "format": "date-time"}
LIST_QUERY = (
    query("jobStatus", {"type": "string", "enum": [status.value for status in JobStatus]}, "Any of these.", many=True),
    query("jobName", TEXT, "Exactly this name."),
    query("q", TEXT, "A part of the name or the description, or a jobID."),
    query("startedAfter", TIME, "Started later than this."),
    query("startedBefore", TIME, "Started earlier than this."),
    query("cursor", {"type": "string", "pattern": f"^{queries.CURSOR.pattern}$"}, "From a link `next` or `prev`."),
    LIMIT,
)
PREFER = header("Prefer", {"type": "string"}, "`handling=strict` refuses a plan that cannot fit (RFC 7240).")
WRITE: dict[str, Any] = {
    "errors": (409,),
    "headers": ("Link", "Preference-Applied"),
    "conditional": True,
    "parameters": (PREFER,),
}
STRICT = {"Preference-Applied": "handling=strict"}


class JobPartView(ApiView):
    """A resource under a job's URL, read by participants and operators."""

    def readable_job(self, job_id: UUID) -> Job:
        """The job. Raises NotFound or NotAllowed."""
        return selectors.readable_job(job_id, self.caller.service)

    def variant(self, tag: str) -> str:
        """The tag of the representation for this caller: operators see more, so theirs is another one."""
        return f'{tag[:-1]}-o"' if self.caller.is_operator else tag


class JobListView(ApiView):
    """`/jobs`."""

    @operation("List jobs", {200: "JobList"}, errors=(422,), parameters=LIST_QUERY)
    def get(self, request: Request) -> HttpResponse:
        """A page of jobs, newest first: a service sees those it takes part in, an operator all."""
        query = request.query_params
        wanted, position = queries.job_filter(query), queries.position(query)
        page = selectors.page_of_jobs(self.caller.service, wanted, queries.limit(query), position)
        jobs = [representations.job(row, None) for row in page.jobs]
        response = json_response({"jobs": jobs, "links": queries.page_links(query, page)})
        response["Cache-Control"] = conditional.PRIVATE
        return response


class JobView(JobPartView):
    """`/jobs/{jobID}`."""

    fragment = ""

    @operation("Read a job", {200: "Job"}, errors=(403,), headers=("Link",), conditional=True, has_page=True)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The job with its tasks."""
        job, tasks = selectors.with_tasks(self.readable_job(job_id))
        body = representations.job(job, tasks, for_operator=self.caller.is_operator)
        return _linked(self.versioned(self.variant(job_tag(job, tasks)), body), job_id)

    @operation("Create or replace a job", {201: "Job", 200: "Job"}, body="JobRequest", **WRITE)
    def put(self, request: Request, job_id: UUID) -> HttpResponse:
        """Create (201) or replace (200) a job."""
        values = self.replacement(JobBody)
        return self._write(job_id, values, create=True)

    @operation("Change a job", {200: "Job"}, body="JobPatch", media_types=PATCH_TYPES, **WRITE)
    def patch(self, request: Request, job_id: UUID) -> HttpResponse:
        """Change some of a job's members (RFC 7396)."""
        values = self.changes(JobBody)
        return self._write(job_id, values, create=False)

    def _write(self, job_id: UUID, values: dict[str, Any], *, create: bool) -> HttpResponse:
        strict = prefers_strict(self.request._request)
        if strict:
            _check_budget(values, None if create else self.readable_job(job_id))
        written = write_job(job_id, self.service, values, create=create, precondition=self.precondition, now=self.now)
        return _linked(_written(written, STRICT if strict else {}), job_id)


class CancellationView(JobPartView):
    """`/jobs/{jobID}/cancellation`."""

    @operation(
        "Cancel a job",
        {202: "Job"},
        body="Nothing",
        body_required=False,
        errors=(409,),
        headers=("Link",),
        conditional=True,
    )
    def put(self, request: Request, job_id: UUID) -> HttpResponse:
        """Ask for cancel and Revert Them All: 202, again the same. A body may be sent and means nothing."""
        self.optional_document()
        job = request_cancellation(job_id, self.service, precondition=self.precondition, now=self.now)
        return _linked(json_response(_with_tasks(job), 202), job_id)


class BudgetView(JobPartView):
    """`/jobs/{jobID}/budget`."""

    fragment = ""

    @operation("Can the job's steps fit?", {200: "Budget"}, errors=(403,), conditional=True, has_page=True)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """Can the job's steps, each at its worst, end before the deadline?"""
        job, tasks = selectors.with_tasks(self.readable_job(job_id))
        return self.tagged(representations.full_budget(job, tasks))


def _check_budget(values: Mapping[str, Any], current: Job | None) -> None:
    """Refuse a plan that cannot fit. Raises BudgetExceeded."""
    max_ttl = values.get("max_ttl") or _kept(values, "max_ttl", current) or settings.CHOREO_DEFAULT_JOB_MAX_TTL
    plan = values.get("plan") or _kept(values, "plan", current) or []
    computed = budget(max_ttl, plan_chain(plan))
    if not computed.fits:
        raise BudgetExceeded(
            f"At worst the plan takes {computed.worst_case_seconds} s; the job may take {computed.max_ttl} s.",
            jobMaxTTL=computed.max_ttl,
            worstCaseSeconds=computed.worst_case_seconds,
        )


def _kept(values: Mapping[str, Any], name: str, current: Job | None) -> Any:
    """What a patch that does not name the member leaves as it is."""
    return getattr(current, name) if current is not None and name not in values else None


def _with_tasks(job: Job) -> representations.Json:
    current, tasks = selectors.with_tasks(job)
    return representations.job(current, tasks)


def _written(written: Written[Job], headers: Mapping[str, str]) -> HttpResponse:
    job = written.row
    body = representations.job(job, []) if written.created else _with_tasks(job)
    location = {"Location": links.job(job.pk)} if written.created else {}
    return json_response(body, 201 if written.created else 200, headers={**headers, **location})


def _linked(response: HttpResponse, job_id: UUID) -> HttpResponse:
    response["Link"] = links.pattern_header(job_id, up=links.api("jobs"))
    return response
