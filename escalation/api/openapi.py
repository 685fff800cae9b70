"""What OpenAPI says of incidents."""

from escalation.domain.incidents import IncidentStatus, Severity
from jobs.api.openapi.components import LINKS, TEXT, TIME, UUID, add, array_of, collection, nullable, result, words
from jobs.domain.events import Cause

_JOB = "https://choreo.example/api/v1/jobs/6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10"
_ID = "1d5b6c2e-4a0f-4f8d-9a43-2b9b7f1f0c22"
_CAUSE = {"cause": "jobMaxTTL", "taskID": None, "at": "2030-01-31T12:01:00Z"}
_EXAMPLE = {
    "incidentID": _ID,
    "jobID": "6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10",
    "incidentStatus": "open",
    "incidentSeverity": "warning",
    "incidentCause": "jobMaxTTL",
    "incidentSummary": "over max TTL",
    "incidentDateOpened": "2030-01-31T12:01:00Z",
    "incidentDateAcknowledged": None,
    "incidentAcknowledgedBy": None,
    "incidentDateResolved": None,
    "incidentResolvedBy": None,
    "causes": [_CAUSE],
    "links": [{"rel": "self", "href": f"{_JOB}/incidents/{_ID}"}, {"rel": "job", "href": _JOB}],
}


def describe() -> None:
    """Name the schemas of this app."""
    add("IncidentCause", result(cause=words(Cause), taskID=nullable(UUID), at=TIME), _CAUSE)
    add(
        "Incident",
        result(
            incidentID=UUID,
            jobID=UUID,
            incidentStatus=words(IncidentStatus),
            incidentSeverity=words(Severity),
            incidentCause=words(Cause),
            incidentSummary=TEXT,
            incidentDateOpened=TIME,
            incidentDateAcknowledged=nullable(TIME),
            incidentAcknowledgedBy=nullable(TEXT),
            incidentDateResolved=nullable(TIME),
            incidentResolvedBy=nullable(TEXT),
            causes=array_of("IncidentCause"),
            links=LINKS,
        ),
        _EXAMPLE,
    )
    add("IncidentList", collection("incidents", "Incident"))
