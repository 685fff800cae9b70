"""Every absolute URL that the API gives out, and the `Link` header (RFC 8288)."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings

Link = dict[str, Any]


def api(path: str = "") -> str:
    """An absolute URL under the API's base; the host is always `CHOREO_PUBLIC_URL`, never what a request claimed."""
    return f"{settings.CHOREO_PUBLIC_URL}/api/v1/{path}"


def root(path: str) -> str:
    """An absolute URL outside the API's base."""
    return f"{settings.CHOREO_PUBLIC_URL}/{path}"


def job(job_id: UUID, part: str = "") -> str:
    """A job, or a part of it: `tasks`, `progress`, `shared-state`, `error-reports`, `cancellation`, `budget`…"""
    return api(f"jobs/{job_id}/{part}" if part else f"jobs/{job_id}")


def task(job_id: UUID, task_id: UUID) -> str:
    """A task."""
    return job(job_id, f"tasks/{task_id}")


def link(rel: str, href: str, **more: object) -> Link:
    """One entry of a representation's `links`."""
    return {"rel": rel, "href": href, **more}


def template(rel: str, href: str) -> Link:
    """An entry whose `href` is a URI Template (RFC 6570)."""
    return link(rel, href, templated=True)


def header(links: Iterable[Link]) -> str:
    """Links as the value of a `Link` header, one relation for each link-value."""
    return ", ".join(f'<{item["href"]}>; rel="{item["rel"]}"' for item in links)


def of_job(job_id: UUID) -> list[Link]:
    """A job's links."""
    return [
        link("self", job(job_id)),
        link("up", api("jobs")),
        link("progress", job(job_id, "progress")),
        link("sharedState", job(job_id, "shared-state")),
        link("tasks", job(job_id, "tasks")),
        template("task", job(job_id, "tasks/{taskID}")),
        link("errorReports", job(job_id, "error-reports")),
        template("errorReport", job(job_id, "error-reports/{reportID}")),
        link("incidents", job(job_id, "incidents")),
        link("budget", job(job_id, "budget")),
        link("cancel", job(job_id, "cancellation")),
        profile(),
    ]


def of_task(job_id: UUID, task_id: UUID) -> list[Link]:
    """A task's links; `up` is its job."""
    return [
        link("self", task(job_id, task_id)),
        link("up", job(job_id)),
        link("progress", job(job_id, "progress")),
        link("sharedState", job(job_id, "shared-state")),
        link("errorReports", job(job_id, "error-reports")),
        profile(),
    ]


def profile() -> Link:
    """The shared vocabulary, an ALPS profile (RFC 6906)."""
    return link("profile", api("vocabulary"))


def pattern_header(job_id: UUID, *, up: str) -> str:
    """The `Link` header of a job, a task, a shared state and a progress: where the rest of the job is."""
    return header(
        [
            link("sharedState", job(job_id, "shared-state")),
            link("progress", job(job_id, "progress")),
            link("up", up),
            profile(),
        ]
    )
