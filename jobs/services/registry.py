"""The service registry: where services say that they are, for as long as their lease runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from jobs.domain.errors import NotAllowed, NotFound
from jobs.domain.preconditions import Precondition, etag
from jobs.models import Location, Service
from jobs.models.accounts import LocationKind
from jobs.services.access import Written
from jobs.services.replay import release

_DEFAULTS: dict[str, Any] = {"priority": 0, "kind": LocationKind.PRIMARY}


def put_location(
    service_name: str,
    location_id: UUID,
    service: Service,
    values: Mapping[str, Any],
    *,
    precondition: Precondition,
    now: datetime,
) -> Written[Location]:
    """Register a location, or renew its lease. `values`: url, priority, lease_seconds (5 … 86400), kind.

    Raises NotFound, NotAllowed or PreconditionFailed.
    """
    _require_self(service_name, service)
    wanted: dict[str, Any] = {name: _DEFAULTS.get(name) if value is None else value for name, value in values.items()}
    with transaction.atomic():
        Service.objects.select_for_update().get(pk=service.pk)  # two renewals at once: one after the other
        old = Location.objects.filter(service=service, location_id=location_id).first()
        live = old is not None and old.lease_expires_at > now
        precondition.check(location_etag(old) if old and live else None)
        expires = now + timedelta(seconds=int(wanted["lease_seconds"]))
        changed = old is None or any(getattr(old, name) != value for name, value in wanted.items())
        updated = now if changed or old is None else old.updated_at
        location, _ = Location.objects.update_or_create(
            service=service,
            location_id=location_id,
            defaults={**wanted, "lease_expires_at": expires, "updated_at": updated},
            create_defaults={**wanted, "lease_expires_at": expires, "updated_at": now, "created_at": now},
        )
        if not live:
            _is_back(service, now)
        return Written(location, created=not live)


def delete_location(
    service_name: str, location_id: UUID, service: Service, *, precondition: Precondition, now: datetime
) -> None:
    """Take a location out of the registry. Raises NotFound, NotAllowed or PreconditionFailed."""
    _require_self(service_name, service)
    with transaction.atomic():
        location = Location.objects.filter(service=service, location_id=location_id, lease_expires_at__gt=now).first()
        if location is None:
            raise NotFound("There is no live location of this ID.")
        precondition.check(location_etag(location))
        location.delete()
        _forget_if_it_left(service, now)


def live_locations(service_name: str, now: datetime) -> QuerySet[Location]:
    """The locations of a service whose leases run, in the order in which to try them."""
    live = Location.objects.filter(service__name=service_name, lease_expires_at__gt=now)
    return live.order_by("-kind", "priority", "location_id")  # "primary" sorts after "fallback"


def location_etag(location: Location) -> str:
    """A lease's renewal leaves the representation, and so the tag, as it was."""
    return etag("l", int(location.updated_at.timestamp() * 1_000_000))


def _forget_if_it_left(service: Service, now: datetime) -> None:
    """A service that takes out its last live location has left in good order: leases that ran out long before, of
    processes that crashed, must not make it look lost."""
    if not Location.objects.filter(service=service, lease_expires_at__gt=now).exists():
        Location.objects.filter(service=service, lease_expires_at__lte=now).delete()


def _is_back(service: Service, now: datetime) -> None:
    """A lease has returned: what waits for the service is replayed."""
    Service.objects.filter(pk=service.pk, leases_lost_at__isnull=False).update(leases_lost_at=None)
    release(service.pk, now)


def _require_self(service_name: str, service: Service) -> None:
    if not Service.objects.filter(name=service_name).exists():
        raise NotFound("There is no service of this name.")
    if service.name != service_name:
        raise NotAllowed("Only the service itself may write its locations.")
