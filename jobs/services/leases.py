"""Services that have gone silent: all their leases ran out, and work of theirs is still open.

What belongs to one outage is told by the moment at which it was noticed, `Service.leases_lost_at`, which stands in
each entry of the history about it. So a sweep that dies, or two at once, leave one entry for each job all the same.
"""

import time
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from jobs.domain.events import Cause, EventKind
from jobs.domain.states import JOB_LIVE, TaskStatus
from jobs.models import Job, JobEvent, Location, Service, Task
from jobs.services import history
from jobs.services.locks import find_job

log = structlog.get_logger(__name__)

_BATCH = 200


def sweep_leases(now: datetime, *, seconds: float = 10.0) -> int:
    """Call for help for each live job in which a service has work, but no lease any more; how many jobs that were.

    Once for each job and outage: also for a job whose work began when the service was lost already. A service that
    took all its locations out of the registry has lost nothing, and neither has one that never was in it. Stops after
    about `seconds`; any number of sweeps may overlap.
    """
    stop = time.monotonic() + seconds
    _forget_what_is_back(now)
    for service in list(_lost(now).filter(leases_lost_at=None)):
        _note_loss(service, now)
    told = 0
    for service in list(_lost(now).filter(leases_lost_at__isnull=False)):
        told += _tell_jobs(service, now, stop)
    return told


def _lost(now: datetime) -> QuerySet[Service]:
    """Services that have leases, all of which have run out."""
    leases = Location.objects.filter(service=OuterRef("pk"))
    return Service.objects.filter(Exists(leases), ~Exists(leases.filter(lease_expires_at__gt=now)))


def _forget_what_is_back(now: datetime) -> None:
    """A renewal ends an outage itself; but one that came at the very moment of the loss may not have seen it."""
    live = Location.objects.filter(service=OuterRef("pk"), lease_expires_at__gt=now)
    Service.objects.filter(Exists(live), leases_lost_at__isnull=False).update(leases_lost_at=None)


def _note_loss(service: Service, now: datetime) -> None:
    """Begin an outage, if there is work that it concerns. Under the service's lock, which renewals take as well."""
    with transaction.atomic():
        row = Service.objects.select_for_update().get(pk=service.pk)
        if row.leases_lost_at is None and _lost(now).filter(pk=row.pk).exists() and _concerned(row).exists():
            Service.objects.filter(pk=row.pk).update(leases_lost_at=now)
            log.warning("all leases of a service have run out", service=row.name)


def _tell_jobs(service: Service, now: datetime, stop: float) -> int:
    """One entry for each job that has none for this outage; a job that cannot be told holds up no other."""
    told, passed_over = 0, set[UUID]()
    while time.monotonic() < stop and _same_outage(service, now):
        batch = list(_untold(service).exclude(pk__in=passed_over).values_list("pk", flat=True)[:_BATCH])
        if not batch:
            break
        for job_id in batch:
            if time.monotonic() >= stop:
                break
            if _tell_safely(job_id, service, now):
                told += 1
            else:
                passed_over.add(job_id)
    return told


def _tell_safely(job_id: UUID, service: Service, now: datetime) -> bool:
    try:
        with transaction.atomic():
            return _tell(job_id, service, now)
    except DatabaseError:
        log.exception("a job was not told of a lost service", job=str(job_id), service=service.name)
        return False


def _tell(job_id: UUID, service: Service, now: datetime) -> bool:
    """Under the job's lock; False when there is nothing to tell any more, or another sweep did."""
    job = find_job(job_id)
    if job is None or not _same_outage(service, now) or not _untold(service).filter(pk=job_id).exists():
        return False
    task = _work_of(service).filter(job=job).order_by("created_at", "id").first()
    history.record(
        job,
        EventKind.SERVICE_LOST,
        actor=history.CHOREO,
        now=now,
        task=task,
        cause=Cause.LEASES_LOST,
        **_outage(service),
    )
    return True


def _same_outage(service: Service, now: datetime) -> bool:
    return _lost(now).filter(pk=service.pk, leases_lost_at=service.leases_lost_at).exists()


def _untold(service: Service) -> QuerySet[Job]:
    """The jobs that this outage concerns and whose history does not tell of it yet."""
    about = {f"data__{name}": value for name, value in _outage(service).items()}
    entries = JobEvent.objects.filter(job=OuterRef("pk"), kind=EventKind.SERVICE_LOST, **about)
    return _concerned(service).filter(~Exists(entries))


def _concerned(service: Service) -> QuerySet[Job]:
    """Live jobs with work of this service. The planner begins at the few that are live (`job_by_status`) and looks up
    each one's tasks of the service (`task_by_service`), so it does not matter how many jobs there were."""
    work = _work_of(service).filter(job=OuterRef("pk"))
    return Job.objects.filter(Exists(work), status__in=sorted(JOB_LIVE)).order_by()


def _work_of(service: Service) -> QuerySet[Task]:
    return Task.objects.filter(service=service, status=TaskStatus.WORKING)


def _outage(service: Service) -> dict[str, str]:
    """What makes an entry one of this outage."""
    return {"service": service.name, "since": service.leases_lost_at.isoformat() if service.leases_lost_at else ""}
