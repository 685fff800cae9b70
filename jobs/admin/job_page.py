"""What the job page shows, read in a handful of queries however much there is of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.admin.history_words import sentence
from jobs.admin.sections import Section, sections
from jobs.admin.timeline import Timeline, timeline
from jobs.admin.undo_section import Undoing, calls_of, undoings
from jobs.domain.budget import Budget, budget, plan_chain
from jobs.domain.states import JOB_LIVE, CallStatus, JobStatus
from jobs.models import Call, ErrorReport, Job, JobEvent, StateRevision, Task
from jobs.services.clock import database_now
from jobs.templatetags.display import elapsed, is_late

MOST = 200
"""So many rows of a kind a job page shows; the lists show all."""

REFRESH_SECONDS = 2


@dataclass(frozen=True)
class Rows[T]:
    """The first rows of a kind, and whether there are more."""

    items: list[T]
    more: bool


@dataclass(frozen=True)
class JobPage:
    """Everything below the page's title."""

    job: Job
    now: datetime
    tasks: Rows[Task]
    calls: Rows[Call]
    undoings: list[Undoing]
    revisions: Rows[StateRevision]
    reports: Rows[ErrorReport]
    events: Rows[tuple[JobEvent, str]]
    timeline: Timeline
    budget: Budget | None
    extra: list[Section]

    @property
    def live(self) -> bool:
        """Can anything still happen by itself?"""
        return self.job.status in {*JOB_LIVE, JobStatus.CANCELLING} or any(
            c.settled_at is None for c in self.calls.items
        )

    @property
    def late(self) -> bool:
        """Working past its deadline."""
        return is_late(self.job, self.now)

    @property
    def not_undone(self) -> list[Task]:
        """Tasks whose revert failed: what a person has to see first."""
        return [task for task in self.tasks.items if task.status == "revertFailed"]

    @property
    def queued(self) -> list[Call]:
        """Calls that wait for their service in the replay queue."""
        return [call for call in self.calls.items if call.status == CallStatus.QUEUED]

    @property
    def elapsed_seconds(self) -> float | None:
        """Since the start; None before it."""
        spent = elapsed(self.job, self.now)
        return None if spent is None else spent.total_seconds()

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many tasks are in each status, in order of first appearance."""
        found: dict[str, int] = {}
        for task in self.tasks.items:
            found[task.status] = found.get(task.status, 0) + 1
        return list(found.items())

    @property
    def state_rows(self) -> list[tuple[str, str]]:
        """The current shared state, property by property, each value as JSON."""
        if not self.revisions.items:
            return []
        state: dict[str, Any] = json.loads(self.revisions.items[0].body)
        return [(name, json.dumps(value, ensure_ascii=False, indent=2)) for name, value in state.items()]


def read_job_page(request: HttpRequest, job: Job) -> JobPage:
    """The page of a job as this person may see it."""
    now = database_now()
    tasks = _first(job.tasks.select_related("service").order_by("created_at", "id"))
    calls = _first(calls_of(job))
    events = _first(job.events.select_related("task").order_by("-id"))
    return JobPage(
        job=job,
        now=now,
        tasks=tasks,
        calls=calls,
        undoings=undoings(tasks.items, calls.items),
        revisions=_first(job.state_revisions.select_related("service").order_by("-revision"), 50),
        reports=_first(job.error_reports.select_related("service"), 50),
        events=Rows([(event, sentence(event)) for event in events.items], events.more),
        timeline=timeline(job, tasks.items, calls.items, now),
        budget=_budget(job),
        extra=sections(request, job),
    )


def _first[T: (Task, Call, JobEvent, StateRevision, ErrorReport)](rows: QuerySet[T], most: int = MOST) -> Rows[T]:
    found: Sequence[T] = list(rows[: most + 1])
    return Rows(list(found[:most]), len(found) > most)


def _budget(job: Job) -> Budget | None:
    return budget(job.max_ttl, plan_chain(job.plan)) if job.plan else None
