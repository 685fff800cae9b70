"""One tick of the escalation."""

from datetime import datetime

from escalation.services.escalating import escalate_due
from escalation.services.opening import open_incidents
from escalation.services.resolving import resolve_ended

_PARTS = (open_incidents, resolve_ended, escalate_due)
"""Resolving comes before escalating, so that nobody is woken for what is over."""


def sweep_incidents(now: datetime) -> int:
    """Open what calls for help, resolve what has ended, escalate what nobody answered; how many rows were touched.

    A part that fails keeps no other from its turn. Raises ExceptionGroup of what failed, so that it shows.
    """
    touched = 0
    errors: list[Exception] = []
    for part in _PARTS:
        try:
            touched += part(now)
        except Exception as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup("the escalation's sweep failed", errors)
    return touched
