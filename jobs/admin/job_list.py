"""The jobs list: finding a job among millions without counting them."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.views import ChangeList

from jobs.admin.sections import badges
from jobs.models import Job, Service, Task
from jobs.services.clock import database_now
from jobs.templatetags.display import CELLS

_PART_OF_ID = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)
_SURELY_AN_ID = 8


@dataclass(frozen=True)
class Listed:
    """What a row shows beyond the job itself."""

    now: datetime
    tasks: list[Task]
    badges: list[SafeString] = field(default_factory=list)


def listed(job: Job) -> Listed:
    """The extras of a job that `with_extras` read."""
    extras: Listed = getattr(job, "_listed")  # noqa: B009  (not a field of the model)
    return extras


class JobChangeList(ChangeList):
    """Reads the clock once, and everything beside the jobs in one query each, however many rows there are."""

    result_list: Any  # Django's page of rows; a list of them once `get_results` is through

    def get_results(self, request: HttpRequest) -> None:
        """The page's jobs, with their tasks and badges."""
        super().get_results(request)
        self.result_list = with_extras(self.result_list, database_now())


def with_extras(queryset: QuerySet[Job], now: datetime) -> list[Job]:
    """A page of jobs with their owners, their first tasks and what `listed` tells, in a fixed number of queries."""
    first = Task.objects.only("job_id", "name", "status").order_by("created_at", "id")[: CELLS + 1]
    jobs: list[Job] = list(
        queryset.select_related("owner").prefetch_related(Prefetch("tasks", first, to_attr="first_tasks"))
    )
    found = badges([job.pk for job in jobs]) if jobs else {}
    for job in jobs:
        tasks: list[Task] = getattr(job, "first_tasks")  # noqa: B009  (likewise)
        setattr(job, "_listed", Listed(now, tasks, found.get(job.pk, [])))  # noqa: B010  (not a field of the model)
    return jobs


def id_range(term: str) -> tuple[UUID, UUID] | None:
    """The lowest and highest job ID that begins with the term, or None when the term begins no ID."""
    digits = term.replace("-", "")
    if not _PART_OF_ID.fullmatch(term) or not 4 <= len(digits) <= 32:
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def search_jobs(queryset: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Jobs by ID or its beginning, by part of their name, or by a service that owns them or takes part.

    Eight hex digits or more can only be an ID, and are found by the primary key alone.
    """
    term = term.strip()
    by_id = id_range(term)
    if by_id and len(term.replace("-", "")) >= _SURELY_AN_ID:
        return queryset.filter(pk__range=by_id)
    services = list(Service.objects.filter(name__icontains=term).values_list("pk", flat=True)[:100])
    wanted = Q(name__icontains=term)
    if services:
        wanted |= Q(owner__in=services) | Q(Exists(Task.objects.filter(job=OuterRef("pk"), service__in=services)))
    if by_id:
        wanted |= Q(pk__range=by_id)
    return queryset.filter(wanted)


class NameFilter(TextFilter):
    """Jobs of exactly this name (an index serves it)."""

    title = "name, exactly"
    parameter_name = "name"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow by name."""
        return queryset.filter(name=self.value()) if self.value() else queryset


class PeriodFilter(admin.SimpleListFilter):
    """Jobs that were created lately, or between two days."""

    title = "created"
    parameter_name = "created"
    PERIODS = (("hour", "The last hour", 1), ("day", "The last 24 hours", 24), ("week", "The last 7 days", 168))

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The periods."""
        return [(key, label) for key, label, _ in self.PERIODS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow by time; an unknown period narrows nothing."""
        hours = next((hours for key, _, hours in self.PERIODS if key == self.value()), None)
        return queryset.filter(created_at__gte=database_now() - timedelta(hours=hours)) if hours else queryset


class DayFilter(TextFilter):
    """Jobs that were created on one day (UTC), given as 2026-11-23."""

    title = "day (2026-11-23)"
    parameter_name = "day"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow to the day; what is no date finds nothing, rather than everything."""
        if not (given := self.value()):
            return queryset
        try:
            start = datetime.fromisoformat(f"{given.strip()[:10]}T00:00:00+00:00")
        except ValueError:
            return queryset.none()
        return queryset.filter(created_at__gte=start, created_at__lt=start + timedelta(days=1))


class LateFilter(admin.SimpleListFilter):
    """Jobs that are still working past their deadline."""

    title = "deadline"
    parameter_name = "late"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """One choice beside "all"."""
        return [("yes", "Past it and still working")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow by the partial index on deadlines of working jobs."""
        return queryset.filter(status="working", deadline_at__lte=database_now()) if self.value() == "yes" else queryset
