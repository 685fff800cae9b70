"""What the job screens show of this app: a badge in the list, a section and a notice on the page."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from escalation.domain.incidents import IncidentStatus
from escalation.models import Incident
from jobs.admin.sections import Section, badge_providers, section_providers
from jobs.models import Job


def incidents_section(request: HttpRequest, job: Job) -> Section | None:
    """The job's calls for help, whom they reached and what came of it; only for people who may see incidents."""
    if not request.user.has_perm("escalation.view_incident"):
        return None
    rows = job.incidents.prefetch_related("notes", "notifications__delivery_attempts").order_by("-opened_at")
    incidents = list(rows[:20])
    context = {
        "incidents": incidents,
        "unresolved": [i for i in incidents if i.status != IncidentStatus.RESOLVED],
        "may_operate": request.user.has_perm("escalation.change_incident"),
    }
    return Section(
        anchor="incidents",
        title="Calls for help",
        body=render_to_string("escalation/admin/job_incidents.html", context),
        notice=render_to_string("escalation/admin/job_notice.html", context),
    )


def incident_badges(jobs: Sequence[UUID]) -> Mapping[UUID, SafeString]:
    """The unresolved incident of each of these jobs that has one: it has one at most."""
    unresolved = Incident.objects.filter(job__in=jobs).exclude(status=IncidentStatus.RESOLVED)
    return {
        job_id: format_html(
            '<span class="ch-badge ch-{}"><i class="ch-shape" aria-hidden="true"></i>{}</span>',
            status,
            "calls for help" if status == IncidentStatus.OPEN else "in hand",
        )
        for job_id, status in unresolved.values_list("job_id", "status")
    }


section_providers.append(incidents_section)
badge_providers.append(incident_badges)
