"""Routes of this app: its part of the API, and the ack links at the root."""

from django.urls import URLPattern, path

import jobs.api.urls  # noqa: F401  registers the converter of `<id:…>`
from escalation.api.ack import ack
from escalation.api.views import IncidentListView, IncidentView

_INCIDENTS = "api/v1/jobs/<id:job_id>/incidents"

urlpatterns: list[URLPattern] = [
    path(_INCIDENTS, IncidentListView.as_view(), name="api-incidents"),
    path(f"{_INCIDENTS}/<id:incident_id>", IncidentView.as_view(), name="api-incident"),
    path("ack/<str:signed>", ack, name="ack"),
]
