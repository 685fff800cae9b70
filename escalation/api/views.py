"""`/jobs/{jobID}/incidents`: calls for help about a job."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from rest_framework.request import Request

from escalation import selectors
from escalation.api import openapi, representations
from jobs.api import links, negotiation, queries
from jobs.api.openapi.operation import WINDOW, operation
from jobs.api.views.jobs import JobPartView

openapi.describe()

_SAID: dict[str, Any] = {"tag": "Incidents", "conditional": True, "has_page": True}


class IncidentListView(JobPartView):
    """`/jobs/{jobID}/incidents`."""

    fragment = "#incidents"

    @operation("List incidents", {200: "IncidentList"}, parameters=WINDOW, errors=(403, 422), **_SAID)
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The newest first."""
        job = self.readable_job(job_id)
        here = links.job(job_id, "incidents")
        rows, around = queries.window(request.query_params).of(selectors.incidents_of(job.pk), here)
        body = {
            "incidents": [representations.incident(row) for row in rows],
            "links": [
                *around,
                links.link("up", links.job(job_id)),
                links.template("incident", f"{here}/{{incidentID}}"),
            ],
        }
        return self.tagged(body)


class IncidentView(JobPartView):
    """`/jobs/{jobID}/incidents/{incidentID}`."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A browser is sent to the incident's page in the operator UI, which asks for a sign-in when it needs one."""
        if request.method in {"GET", "HEAD"} and negotiation.prefers_html(request):
            return _to_operator_page(kwargs["incident_id"])
        return super().dispatch(request, *args, **kwargs)

    @operation("Read an incident", {200: "Incident"}, errors=(403,), **_SAID)
    def get(self, request: Request, job_id: UUID, incident_id: UUID) -> HttpResponse:
        """The incident."""
        row = selectors.find_incident(self.readable_job(job_id).pk, incident_id)
        return self.tagged(representations.incident(row))


def _to_operator_page(incident_id: UUID) -> HttpResponse:
    path = reverse("admin:escalation_incident_change", args=[incident_id])
    response = HttpResponse(status=303, headers={"Location": f"{settings.CHOREO_PUBLIC_URL}{path}"})
    response["Vary"] = "Accept"
    response["Cache-Control"] = "no-store"
    return response
