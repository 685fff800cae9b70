"""The progress resource: what a poller sees."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.utils.http import http_date
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from jobs.api import conditional, links, representations
from jobs.api.openapi.operation import operation
from jobs.api.views.base import JSON, ApiView
from jobs.domain.states import JOB_CAN_CHANGE, JobStatus
from jobs.models import Job, Task
from jobs.services.progress import Progress, progress_of


class ProgressView(ApiView):
    """`/jobs/{jobID}/progress`. Any service or operator reads it; anyone when CHOREO_PROGRESS_PUBLIC is true."""

    fragment = "#progress"

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Where it is public nobody is asked, and the answer depends on nobody: any cache may keep it."""
        return [] if settings.CHOREO_PROGRESS_PUBLIC else super().get_authenticators()

    def get_permissions(self) -> Sequence[Any]:
        """As above."""
        return [AllowAny()] if settings.CHOREO_PROGRESS_PUBLIC else super().get_permissions()

    @property
    def default_response_headers(self) -> dict[str, str]:
        """A public progress varies with nobody's credentials."""
        return {**super().default_response_headers, "Vary": _vary()}

    @operation(
        "Poll a job's progress",
        {200: "Progress"},
        tag="Progress",
        headers=("Link", "Last-Modified"),
        conditional=True,
        has_page=True,
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The pre-rendered body, or 304. If-Modified-Since is not honoured: two changes within its one second would
        look the same, and a poller could miss the last one."""
        progress = progress_of(job_id, _render)
        response = conditional.answer(
            request._request,
            progress.etag,
            lambda: HttpResponse(progress.body, content_type=JSON),
            cache=cache_control(progress.job_status),
            vary=_vary(),
        )
        response["Last-Modified"] = http_date(progress.modified_at.timestamp())
        response["Link"] = _link_header(job_id, progress)
        return response


def cache_control(job_status: str) -> str:
    """How long a cache may answer in our place, by the job's status."""
    seconds = 1 if job_status in JOB_CAN_CHANGE else 3600 if job_status == JobStatus.COMPLETED else 60
    if settings.CHOREO_PROGRESS_PUBLIC:
        return f"public, max-age={seconds}, stale-while-revalidate={seconds}"
    return f"private, max-age={seconds}"


def _render(job: Job, tasks: Sequence[Task]) -> bytes:
    body = representations.progress(job, tasks)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _link_header(job_id: UUID, progress: Progress) -> str:
    here = links.link("refresh", links.job(job_id, "progress"))
    rest = links.pattern_header(job_id, up=links.job(job_id))
    return f"{links.header([here])}, {rest}" if progress.job_status in JOB_CAN_CHANGE else rest


def _vary() -> str:
    return "Accept" if settings.CHOREO_PROGRESS_PUBLIC else conditional.VARY
