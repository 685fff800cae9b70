"""Where other apps add to the job screens, so that jobs need not know of them.

An app appends its callables when its admin is loaded; each is called once a page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.models import Job

NO_NOTICE = SafeString("")


@dataclass(frozen=True)
class Section:
    """A part of the job page. `anchor` is its fragment in URLs; `notice` stands on top of the page."""

    anchor: str
    title: str
    body: SafeString
    notice: SafeString = NO_NOTICE


SectionProvider = Callable[[HttpRequest, Job], Section | None]
BadgeProvider = Callable[[Sequence[UUID]], Mapping[UUID, SafeString]]

section_providers: list[SectionProvider] = []
badge_providers: list[BadgeProvider] = []
"""What the jobs list shows beside a job, for all the jobs of a page at once."""


def sections(request: HttpRequest, job: Job) -> list[Section]:
    """What other apps have to say of a job to this person."""
    return [section for provider in section_providers if (section := provider(request, job))]


def badges(jobs: Sequence[UUID]) -> dict[UUID, list[SafeString]]:
    """The badges of each of these jobs that has any."""
    found: dict[UUID, list[SafeString]] = {}
    for provider in badge_providers:
        for job_id, badge in provider(jobs).items():
            found.setdefault(job_id, []).append(badge)
    return found
