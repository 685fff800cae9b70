"""What the page of a service shows beside its form: how it is, where it is, and what waits for it."""

from dataclasses import dataclass
from datetime import datetime

from jobs.domain.states import CallStatus
from jobs.models import Call, Location, Service, ServiceToken
from jobs.services.accounts import previous_secret_until
from jobs.services.clock import database_now

SHOWN = 50
COUNT_UP_TO = 999
"""A page says "999+" rather than counting on."""


@dataclass(frozen=True)
class ServicePage:
    """Read at `now`. `waiting` is how many calls wait, in words; `queued` are those that have waited the longest."""

    service: Service
    now: datetime
    tokens: list[ServiceToken]
    locations: list[Location]
    old_secret_until: datetime | None
    waiting: str
    queued: list[Call]

    @property
    def live(self) -> int:
        """How many of its leases run."""
        return sum(location.lease_expires_at > self.now for location in self.locations)

    @property
    def waits_since(self) -> datetime | None:
        """Since when the first of the queue waits."""
        return self.queued[0].queued_at if self.queued else None


def read_service_page(service: Service) -> ServicePage:
    """The page, in a handful of queries however much waits."""
    now = database_now()
    queue = Call.objects.filter(service=service, status=CallStatus.QUEUED)
    count = len(queue.order_by().values_list("pk")[: COUNT_UP_TO + 1])
    return ServicePage(
        service=service,
        now=now,
        tokens=list(service.tokens.all()),
        locations=list(Location.objects.filter(service=service).order_by("-lease_expires_at", "pk")[:SHOWN]),
        old_secret_until=previous_secret_until(service, now),
        waiting=f"{COUNT_UP_TO}+" if count > COUNT_UP_TO else str(count),
        queued=list(queue.select_related("job", "task").order_by("queued_at", "id")[:SHOWN]),
    )
