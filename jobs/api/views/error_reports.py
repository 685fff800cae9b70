"""Error reports."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from jobs import selectors
from jobs.api import links, queries, representations
from jobs.api.openapi.operation import WINDOW, operation
from jobs.api.parsers import ProblemParser, StrictJSONParser
from jobs.api.serializers.base import replacement
from jobs.api.serializers.parts import ErrorReportBody
from jobs.api.views.base import json_response
from jobs.api.views.jobs import JobPartView
from jobs.domain.preconditions import etag
from jobs.services.error_reports import write_report

READ: dict[str, Any] = {"tag": "Error reports", "conditional": True, "has_page": True}


class ErrorReportListView(JobPartView):
    """`/jobs/{jobID}/error-reports`."""

    fragment = "#reports"

    @operation("List error reports", {200: "ErrorReportList"}, parameters=WINDOW, errors=(403, 422), **READ)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The newest first."""
        job = self.readable_job(job_id)
        here = links.job(job_id, "error-reports")
        one = links.template("errorReport", f"{here}/{{reportID}}")
        rows, around = queries.window(request.query_params).of(selectors.reports_of(job), here)
        body = {
            "errorReports": [representations.report(row, for_operator=self.caller.is_operator) for row in rows],
            "links": [*around, links.link("up", links.job(job_id)), one],
        }
        return self.tagged(body)


class ErrorReportView(JobPartView):
    """`/jobs/{jobID}/error-reports/{reportID}`."""

    parser_classes = (StrictJSONParser, ProblemParser)
    fragment = "#reports"

    @operation("Read an error report", {200: "ErrorReport"}, errors=(403,), **READ)
    def get(self, request: Request, job_id: UUID, report_id: UUID) -> HttpResponse:
        """The report; operators see its further members too."""
        row = selectors.find_report(self.readable_job(job_id), report_id)
        body = representations.report(row, for_operator=self.caller.is_operator)
        return self.versioned(self.variant(etag("r", row.version)), body)

    @operation(
        "Report an error",
        {201: "ErrorReport", 200: "ErrorReport"},
        tag="Error reports",
        body="ErrorReportRequest",
        media_types=("application/json", "application/problem+json"),
        conditional=True,
    )
    def put(self, request: Request, job_id: UUID, report_id: UUID) -> HttpResponse:
        """Report a problem (201), or correct the report (200). `halting: true` calls for help."""
        body = _stored(self.document().value)
        written = write_report(job_id, report_id, self.service, body, precondition=self.precondition, now=self.now)
        written.row.service = self.service
        here = links.job(job_id, f"error-reports/{report_id}")
        headers = {"Location": here} if written.created else {}
        return json_response(representations.report(written.row), 201 if written.created else 200, headers=headers)


def _stored(value: Any) -> dict[str, Any]:
    """The report as it is kept: what is known checked and in its one form, the rest as it came. Raises Invalid."""
    known = replacement(ErrorReportBody, value)
    rest = {name: member for name, member in value.items() if name not in known}
    if known["taskID"] is not None:
        known["taskID"] = str(known["taskID"])
    return {**{name: member for name, member in known.items() if member is not None}, **rest}
