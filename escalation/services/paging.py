"""Writing notifications: rows that `escalation.services.deliveries` sends."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import parseaddr
from uuid import uuid4

from django.conf import settings

from escalation.domain.delivery import CALLS_FOR_HELP, Channel, DeliveryStatus, MessageKind
from escalation.domain.policy import Person, Plan
from escalation.models import Contact, Incident, Notification
from escalation.services.ack_links import ack_url
from escalation.services.messages import Occasion, read_facts, render
from jobs.services.wake import wake_after_commit

_KNOWS = (DeliveryStatus.SENDING, DeliveryStatus.SENT)


def page(incident: Incident, people: Iterable[Person], kind: MessageKind, now: datetime, *, by: str = "") -> str:
    """Write a message for every address of these people, each address once, and say whom in words.

    Under the incident's lock. The unique key makes a second call for the same step of the same episode harmless.
    """
    people = list(people)
    if not people:
        return ""
    occasion, facts = Occasion(incident, kind, now, by), read_facts(incident)
    known = set(Contact.objects.filter(pk__in=[p.id for p in people]).values_list("pk", flat=True))
    rows: dict[str, Notification] = {}
    for person in people:
        link = ack_url(incident.pk, person.id, now)
        for channel, address in person.addresses:
            rendered = render(occasion, facts, person, channel, link)
            row = _row(occasion, person, channel, address)
            row.subject, row.text, row.html = rendered.subject, rendered.text, rendered.html
            row.contact_id = person.id if person.id in known else None
            rows.setdefault(row.key, row)
    Notification.objects.bulk_create(rows.values(), ignore_conflicts=True)
    if rows:
        wake_after_commit("escalation.sweep_notifications")
    return ", ".join(f"{row.contact_name} ({row.channel})" for row in rows.values())


def paged_people(incident: Incident) -> list[Person]:
    """Everybody who was sent a call for help in this incident, or is being sent one at this moment."""
    sent = incident.notifications.filter(kind__in=CALLS_FOR_HELP, status__in=_KNOWS)
    addresses = set(sent.values_list("channel", "address"))
    people = []
    for person in Plan.from_json(incident.policy).people:
        reached = {channel for channel, address in person.addresses if (channel, address) in addresses}
        if reached:
            people.append(_only(person, reached))
    return people


def tell_paged(
    incident: Incident, kind: MessageKind, now: datetime, *, by: str, except_contact: int | None = None
) -> None:
    """Tell everybody who was paged, on the channels that they were paged on, but for who does the telling."""
    page(incident, [p for p in paged_people(incident) if p.id != except_contact], kind, now, by=by)


def _only(person: Person, channels: set[Channel]) -> Person:
    return Person(
        person.id,
        person.name,
        person.email if Channel.EMAIL in channels else "",
        person.phone if Channel.SMS in channels else "",
        person.time_zone,
    )


def _row(occasion: Occasion, person: Person, channel: Channel, address: str) -> Notification:
    incident = occasion.incident
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return Notification(
        incident=incident,
        contact_name=person.name,
        channel=channel,
        address=address,
        kind=occasion.kind,
        episode=incident.episode,
        step=incident.step,
        key=f"{incident.pk.hex}:{occasion.kind}:{incident.episode}.{incident.step}:{channel}:{address}",
        message_id=f"<{uuid4()}@{domain}>",
        next_at=occasion.now,
        created_at=occasion.now,
    )
