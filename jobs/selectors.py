"""Reads, for the API and the operator UI. Each says how many queries it makes when that is not one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from jobs.domain.errors import NotAllowed, NotFound
from jobs.models import ErrorReport, Job, Location, Service, Task, VocabularyTerm


@dataclass(frozen=True)
class JobFilter:
    """What a list of jobs is narrowed to; empty members narrow nothing. Both times are exclusive."""

    statuses: Sequence[str] = ()
    name: str = ""
    text: str = ""
    started_after: datetime | None = None
    started_before: datetime | None = None


@dataclass(frozen=True)
class Position:
    """A place in the list of jobs, newest first: between this job and the next older (or, `backwards`, newer) one."""

    created_at: datetime
    id: UUID
    backwards: bool = False


@dataclass(frozen=True)
class Page:
    """A page of jobs, newest first, and where the pages beside it begin."""

    jobs: list[Job] = field(default_factory=list)
    next: Position | None = None
    previous: Position | None = None


def readable_job(job_id: UUID, service: Service | None) -> Job:
    """The job, for an operator (`service` None) or for a service that takes part in it.

    Raises NotFound, or NotAllowed for a service that does not.
    """
    jobs = Job.objects.filter(pk=job_id)
    if service is not None:
        jobs = jobs.annotate(takes_part=Exists(Task.objects.filter(job=OuterRef("pk"), service=service)))
    job = jobs.first()
    if job is None:
        raise NotFound("There is no job of this ID.")
    if service is not None and job.owner_id != service.pk and not getattr(job, "takes_part", False):
        raise NotAllowed("Only the job's owner, services with a task in it, and operators may read this.")
    return job


def tasks_of(job: Job) -> QuerySet[Task]:
    """A job's tasks in the order of their creation; of those that were created at one moment the ID decides, and not
    which of them happened to be stored first."""
    return Task.objects.filter(job_id=job.pk).order_by("created_at", "task_id")


def with_tasks(job: Job) -> tuple[Job, list[Task]]:
    """The job and its tasks out of one statement, so that both belong to one version, though it may be a newer one.

    A job without tasks is returned as it is: none exist now, so none existed when it was read.
    """
    tasks = list(tasks_of(job).select_related("job", "service"))
    return (tasks[0].job if tasks else job), tasks


def find_task(job: Job, task_id: UUID) -> Task:
    """One task of a job. Raises NotFound."""
    task = Task.objects.filter(job=job, task_id=task_id).select_related("service").first()
    if task is None:
        raise NotFound("There is no task of this ID in the job.")
    return task


def find_report(job: Job, report_id: UUID) -> ErrorReport:
    """One error report of a job. Raises NotFound."""
    report = ErrorReport.objects.filter(job=job, report_id=report_id).select_related("service").first()
    if report is None:
        raise NotFound("There is no error report of this ID in the job.")
    return report


def reports_of(job: Job) -> QuerySet[ErrorReport]:
    """The error reports of a job, newest first."""
    return ErrorReport.objects.filter(job=job).select_related("service")


def find_term(name: str) -> VocabularyTerm:
    """One term of the vocabulary. Raises NotFound."""
    term = VocabularyTerm.objects.filter(property=name).first()
    if term is None:
        raise NotFound("There is no term of this name.")
    return term


def terms() -> QuerySet[VocabularyTerm]:
    """The vocabulary by name."""
    return VocabularyTerm.objects.all()


def find_location(service_name: str, location_id: UUID, now: datetime) -> Location:
    """One location whose lease runs. Raises NotFound."""
    found = Location.objects.filter(service__name=service_name, location_id=location_id, lease_expires_at__gt=now)
    location = found.first()
    if location is None:
        raise NotFound("There is no live location of this ID.")
    return location


def find_service(name: str) -> Service:
    """A service by its name. Raises NotFound."""
    service = Service.objects.filter(name=name).first()
    if service is None:
        raise NotFound("There is no service of this name.")
    return service


def page_of_jobs(service: Service | None, wanted: JobFilter, limit: int, position: Position | None) -> Page:
    """Up to `limit` jobs from `position` on (from the newest without): all for an operator, its own for a service.

    Keyset paging along the index (created_at, id): the cost of a page does not grow with the number of jobs before
    it, and jobs that come in between move nothing.
    """
    jobs = _narrowed(_visible(service), wanted)
    backwards = position is not None and position.backwards
    if position is not None:
        jobs = jobs.filter(_beyond(position))
    order = ("created_at", "id") if backwards else ("-created_at", "-id")
    found = list(jobs.order_by(*order)[: limit + 1])
    more, rows = len(found) > limit, found[:limit]
    if backwards:
        rows.reverse()
    return _page(rows, newer=more if backwards else position is not None, older=True if backwards else more)


def _page(rows: list[Job], *, newer: bool, older: bool) -> Page:
    if not rows:
        return Page()
    first, last = rows[0], rows[-1]
    return Page(
        jobs=rows,
        next=Position(last.created_at, last.pk) if older else None,
        previous=Position(first.created_at, first.pk, backwards=True) if newer else None,
    )


def _visible(service: Service | None) -> QuerySet[Job]:
    if service is None:
        return Job.objects.all()
    return Job.objects.filter(Q(owner=service) | Exists(Task.objects.filter(job=OuterRef("pk"), service=service)))


def _narrowed(jobs: QuerySet[Job], wanted: JobFilter) -> QuerySet[Job]:
    if wanted.statuses:
        jobs = jobs.filter(status__in=wanted.statuses)
    if wanted.name:
        jobs = jobs.filter(name=wanted.name)
    if wanted.text:
        jobs = jobs.filter(_mentions(wanted.text))
    if wanted.started_after:
        jobs = jobs.filter(started_at__gt=wanted.started_after)
    if wanted.started_before:
        jobs = jobs.filter(started_at__lt=wanted.started_before)
    return jobs


def _mentions(text: str) -> Q:
    """A job's ID in full, or a part of its name or description."""
    found = Q(name__icontains=text) | Q(description__icontains=text)
    try:
        return found | Q(pk=UUID(text))
    except ValueError:
        return found


def _beyond(position: Position) -> Q:
    at, job_id = position.created_at, position.id
    if position.backwards:
        return Q(created_at__gt=at) | Q(created_at=at, id__gt=job_id)
    return Q(created_at__lt=at) | Q(created_at=at, id__lt=job_id)
