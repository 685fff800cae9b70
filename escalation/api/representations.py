"""Incidents as JSON objects."""

from typing import Any

from escalation.models import Incident
from escalation.selectors import links_of
from jobs.api.links import Link, link
from jobs.api.representations import instant


def incident(row: Incident) -> dict[str, Any]:
    """An incident with its causes and the four links of the pattern; `taskID` is that of the task concerned."""
    causes = row.causes.select_related("event__task").order_by("event__at", "event_id")
    return {
        "incidentID": str(row.pk),
        "jobID": str(row.job_id),
        "incidentStatus": row.status,
        "incidentSeverity": row.severity,
        "incidentCause": row.cause,
        "incidentSummary": row.summary,
        "incidentDateOpened": instant(row.opened_at),
        "incidentDateAcknowledged": instant(row.acknowledged_at),
        "incidentAcknowledgedBy": row.acknowledged_by or None,
        "incidentDateResolved": instant(row.resolved_at),
        "incidentResolvedBy": row.resolved_by or None,
        "causes": [
            {
                "cause": cause.cause,
                "taskID": str(cause.event.task.task_id) if cause.event.task else None,
                "at": instant(cause.event.at),
            }
            for cause in causes
        ],
        "links": _links(row),
    }


def _links(row: Incident) -> list[Link]:
    links = links_of(row)
    return [
        link("self", links.incident),
        link("job", links.job),
        link("progress", links.progress),
        link("sharedState", links.shared_state),
        link("errorReport", links.error_report),
        link("up", links.incidents),
    ]
