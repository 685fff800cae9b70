"""What people do about an incident. Each verb is idempotent, and logged with who did it."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from escalation.domain.delivery import MessageKind
from escalation.domain.incidents import NoteKind, Verb
from escalation.models import Incident
from escalation.services.paging import tell_paged
from escalation.services.transitions import begin_again, lock_incident, move, note


def acknowledge(incident_id: UUID, by: str, now: datetime, *, contact_id: int | None = None) -> Incident:
    """Somebody has it in hand: the calling stops at once, and everybody else who was paged is told.

    `contact_id` is the contact who did it, where that is known: they are not told of it. Raises NotFound, or
    IllegalTransition when the incident is resolved.
    """
    with transaction.atomic():
        incident = lock_incident(incident_id)
        if move(incident, Verb.ACKNOWLEDGE, now, acknowledged_at=now, acknowledged_by=by[:150]):
            note(incident, NoteKind.ACKNOWLEDGED, by, now)
            tell_paged(incident, MessageKind.ACKNOWLEDGED, now, by=by, except_contact=contact_id)
        return incident


def resolve(incident_id: UUID, by: str, now: datetime, *, contact_id: int | None = None, why: str = "") -> Incident:
    """It is over; everybody who was paged is told. Raises NotFound."""
    with transaction.atomic():
        incident = lock_incident(incident_id)
        resolve_locked(incident, by, now, contact_id=contact_id, why=why)
        return incident


def resolve_locked(incident: Incident, by: str, now: datetime, *, contact_id: int | None = None, why: str = "") -> bool:
    """The same under the incident's lock; False when it was resolved before."""
    if not move(incident, Verb.RESOLVE, now, resolved_at=now, resolved_by=by[:150]):
        return False
    note(incident, NoteKind.RESOLVED, by, now, why)
    tell_paged(incident, MessageKind.RESOLVED, now, by=by, except_contact=contact_id)
    return True


def reopen(incident_id: UUID, by: str, now: datetime) -> Incident:
    """Whoever acknowledged it does not have it in hand after all: the calling begins anew, at the first step.

    Raises NotFound, or IllegalTransition when the incident is resolved.
    """
    with transaction.atomic():
        incident = lock_incident(incident_id)
        if move(incident, Verb.REOPEN, now):
            begin_again(incident, now)
            note(incident, NoteKind.REOPENED, by, now)
        return incident
