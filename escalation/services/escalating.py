"""Calling the next people of an incident's policy, until one of them answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from escalation.domain.delivery import MessageKind
from escalation.domain.incidents import IncidentStatus, NoteKind
from escalation.domain.policy import Person, Plan
from escalation.models import Incident
from escalation.services.paging import page
from escalation.services.transitions import CHOREO, change, note

log = structlog.get_logger(__name__)

_BATCH = 500


def escalate_due(now: datetime) -> int:
    """Call the steps that are due; how many incidents they were of. Any number of sweeps may run at once."""
    due = Incident.objects.filter(next_step_at__lte=now).order_by("next_step_at")
    return sum(_escalate(pk, now) for pk in due.values_list("pk", flat=True)[:_BATCH])


def call_due_steps(incident: Incident, now: datetime, worse_for: Sequence[Person] = ()) -> None:
    """Under the incident's lock: call everybody whose step is due, and plan the next step.

    `worse_for` are called too, whosever turn it is: they know of the incident, and hear that it got worse.
    """
    plan = Plan.from_json(incident.policy)
    due = plan.due(incident.step, incident.next_step_at or now, now)
    change(incident, step=due.step, next_step_at=due.next_at)
    known = {person.id for person in worse_for}
    called = [
        page(incident, worse_for, MessageKind.WORSE, now),
        page(incident, [person for person in due.people if person.id not in known], MessageKind.OPENED, now),
    ]
    if any(called):
        note(incident, NoteKind.CALLED, CHOREO, now, ", ".join(filter(None, called)))
    elif not plan.steps:
        note(incident, NoteKind.NOBODY, CHOREO, now, f"Nobody could be called: {plan.name} names nobody reachable.")


def hurry(incident: Incident, now: datetime) -> None:
    """Under the incident's lock: nobody could be reached in this step, so the next one does not wait."""
    if incident.status == IncidentStatus.OPEN and incident.next_step_at and incident.next_step_at > now:
        change(incident, next_step_at=now)


def _escalate(pk: UUID, now: datetime) -> bool:
    try:
        with transaction.atomic():
            rows = Incident.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            incident = rows.select_related("job").filter(pk=pk, next_step_at__lte=now).first()
            if incident is None:  # answered, or another sweep has it
                return False
            call_due_steps(incident, now)
            return True
    except Exception:  # one that cannot be escalated must not keep the others from it
        log.exception("escalation failed", incident=str(pk))
        return False
