"""Who may write what."""

from dataclasses import dataclass

from jobs.domain.errors import NotAllowed
from jobs.models import Job, Service, Task


@dataclass(frozen=True)
class Written[T]:
    """What a write left behind, and whether it made it."""

    row: T
    created: bool


def require_owner(job: Job, service: Service) -> None:
    """Raises NotAllowed unless the service is the one that created the job."""
    if job.owner_id != service.pk:
        raise NotAllowed("Only the service that created this job may write it.")


def is_participant(job: Job, service: Service) -> bool:
    """True for the job's owner and for every service with a task in it."""
    return job.owner_id == service.pk or Task.objects.filter(job=job, service=service).exists()


def require_participant(job: Job, service: Service) -> None:
    """Raises NotAllowed unless the service takes part in the job."""
    if not is_participant(job, service):
        raise NotAllowed("Only the job's owner and services with a task in it may do this.")
