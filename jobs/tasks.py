"""Celery's way in: each task reads the clock and calls one service. What is due, the service finds in its rows."""

from celery import shared_task
from django.db import close_old_connections

from jobs.services import calls, deadlines
from jobs.services.clock import database_now

SWEEP_SECONDS = 10.0
"""The longest that one run of a sweep begins new work; what is left is found by the next tick."""
CALLS_A_RUN = 100


@shared_task(name="jobs.sweep_deadlines")
def sweep_deadlines() -> int:
    """End what is past its max TTL. Returns how much that was."""
    close_old_connections()
    return deadlines.expire_due(database_now(), seconds=SWEEP_SECONDS)


@shared_task(name="jobs.sweep_calls")
def sweep_calls() -> int:
    """Make the cancel and revert calls that are due. Returns how many."""
    close_old_connections()
    return calls.run_due(database_now, seconds=SWEEP_SECONDS, limit=CALLS_A_RUN)


@shared_task(name="jobs.audit")
def audit() -> int:
    """Take up undoings that were left standing. Returns how many."""
    close_old_connections()
    return deadlines.audit(database_now())
