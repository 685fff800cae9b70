"""Celery's way in: each task reads the clock and calls one service. What is due, the service finds in its rows."""

from threading import Lock

from celery import shared_task

from escalation.services import deliveries, sweeps
from jobs.services.clock import database_now

_delivering = Lock()


@shared_task(name="escalation.sweep_incidents")
def sweep_incidents() -> int:
    """Open, resolve and escalate incidents. Returns how many rows were touched."""
    return sweeps.sweep_incidents(database_now())


@shared_task(name="escalation.sweep_notifications")
def sweep_notifications() -> int:
    """Send the messages that are due. Returns how many attempts were made.

    One at a time in a process: sweeps that wait for a slow provider must not take every thread from the deadlines.
    """
    if not _delivering.acquire(blocking=False):
        return 0
    try:
        return deliveries.deliver_due(database_now())
    finally:
        _delivering.release()
