"""The only place where an incident changes, and where its log is written.

Lock order: notifications before incidents, several of a kind by ascending ID. Whoever holds an incident therefore only
adds notifications and never updates one; a sender (`escalation.services.deliveries`) holds its notification first.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from escalation.domain.incidents import INCIDENT_MOVES, REPEATS, IncidentStatus, NoteKind, Verb
from escalation.models import Incident, IncidentNote
from jobs.domain.errors import IllegalTransition, NotFound

CHOREO = "choreo"
"""The actor of what the server does by itself."""


class LostRace(Exception):
    """Another writer changed the incident first; cannot happen while it is locked."""


def lock_incident(incident_id: UUID) -> Incident:
    """The incident, locked until the transaction ends. Raises NotFound."""
    rows = Incident.objects.select_for_update(of=("self",), no_key=True).select_related("job")
    if (incident := rows.filter(pk=incident_id).first()) is None:
        raise NotFound("There is no incident of this ID.")
    return incident


def move(incident: Incident, verb: Verb, now: datetime, **values: Any) -> bool:
    """Take a locked incident to where `verb` leads; False, and nothing changed, when it is there already.

    Raises IllegalTransition, naming both states.
    """
    old = IncidentStatus(incident.status)
    if (old, verb) in REPEATS:
        return False
    if (old, verb) not in INCIDENT_MOVES:
        raise IllegalTransition(f"The incident is {old}: it is too late to {verb} it.", incidentStatus=str(old))
    new = INCIDENT_MOVES[old, verb]
    change(incident, status=new, next_step_at=now if new is IncidentStatus.OPEN else None, **values)
    return True


def begin_again(incident: Incident, now: datetime) -> None:
    """The calling of a locked, unresolved incident begins anew at the first step, whoever had acknowledged it."""
    move(incident, Verb.REOPEN, now)
    change(
        incident,
        episode=incident.episode + 1,
        step=0,
        next_step_at=now,
        acknowledged_at=None,
        acknowledged_by="",
    )


def change(incident: Incident, **values: Any) -> None:
    """Update a locked incident, guarded by its version, and the instance with it. Raises LostRace."""
    same = Incident.objects.filter(pk=incident.pk, version=incident.version, status=incident.status)
    if not same.update(version=F("version") + 1, **values):
        raise LostRace(f"{incident} has changed.")
    for name, value in values.items():
        setattr(incident, name, value)
    incident.version += 1


def note(incident: Incident, kind: NoteKind, actor: str, now: datetime, text: str = "") -> None:
    """Add one entry to the incident's log."""
    IncidentNote.objects.create(incident=incident, kind=kind, actor=actor[:150], at=now, text=text[:500])
