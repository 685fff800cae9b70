"""The absolute links of an alert: the resources themselves, which send a browser on to the operator's page."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID


@dataclass(frozen=True)
class IncidentLinks:
    """Everything that the pattern asks an alert to link to, the incident itself, and where its job is undone."""

    job: str
    undo: str
    progress: str
    shared_state: str
    error_report: str
    incident: str
    incidents: str


def incident_links(base: str, job_id: UUID, incident_id: UUID, report_id: UUID | None) -> IncidentLinks:
    """The links below `base` (no slash at its end); without a report the error link is the job's list of them."""
    job = f"{ascii_base(base)}/api/v1/jobs/{job_id}"
    reports = f"{job}/error-reports"
    return IncidentLinks(
        job=job,
        undo=f"{job}#undo",
        progress=f"{job}/progress",
        shared_state=f"{job}/shared-state",
        error_report=f"{reports}/{report_id}" if report_id else reports,
        incident=f"{job}/incidents/{incident_id}",
        incidents=f"{job}/incidents",
    )


def ascii_base(base: str) -> str:
    """The base URL in ASCII (a host beyond it in IDNA), so that no channel has to rewrite a link."""
    if base.isascii():
        return base
    parts = urlsplit(base)
    host = (parts.hostname or "").encode("idna").decode("ascii")
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
