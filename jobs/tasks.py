"""Celery's way in: each task reads the clock and calls one service. What is due, the service finds in its rows."""

from celery import shared_task
from django.db import close_old_connections

from jobs.services import callers, deadlines, leases, replay
from jobs.services.clock import database_now

SWEEP_SECONDS = 10.0
"""The longest that one run of a sweep begins new work; what is left is found by the next tick."""


@shared_task(name="jobs.sweep_deadlines")
def sweep_deadlines() -> int:
    """End what is past its max TTL, and let go on what has waited long enough. Returns how much that was."""
    close_old_connections()
    now = database_now()
    return deadlines.expire_due(now, seconds=SWEEP_SECONDS) + deadlines.release_holds(now)


@shared_task(name="jobs.sweep_calls")
def sweep_calls() -> int:
    """Have the cancel and revert calls made that are due. Returns how many threads were started for that."""
    close_old_connections()
    return callers.start(database_now)


@shared_task(name="jobs.sweep_replays")
def sweep_replays() -> int:
    """Ask services for which calls are queued whether they are back. Returns how many were asked."""
    close_old_connections()
    return replay.sweep_queue(database_now)


@shared_task(name="jobs.sweep_leases")
def sweep_leases() -> int:
    """Call for help for jobs in which a service works whose leases have all run out. Returns how many those are."""
    close_old_connections()
    return leases.sweep_leases(database_now(), seconds=SWEEP_SECONDS)


@shared_task(name="jobs.audit")
def audit() -> int:
    """Take up undoings that were left standing. Returns how many."""
    close_old_connections()
    return deadlines.audit(database_now())
