"""Leaves a mark in the database when a scheduled sweep has succeeded: `/readyz` and the dashboard read their ages.

A sweep that raises leaves none, and neither does one that was never sent, taken or finished, so an old mark tells of
every way in which deadlines could go unwatched.
"""

import time
from typing import Any

import structlog
from celery.signals import task_success
from django.db import DatabaseError

from choreo_web.celery import app
from jobs.services import sweeps
from jobs.services.clock import database_now

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
"""How often a process marks the same sweep at most. Beat stands in for sweeps whose marks are old (`stand_in`), so that
marks which came more rarely would make deadlines later whenever the broker goes away."""

_marked: dict[str, float] = {}


@task_success.connect
def leave_mark(sender: Any, **_: object) -> None:
    """Mark the sweep that has just succeeded, unless this process did so a moment ago."""
    name = str(sender.name)
    if name not in {entry["task"] for entry in app.conf.beat_schedule.values()}:
        return
    last = _marked.get(name)
    if last is not None and time.monotonic() - last < EVERY_SECONDS:
        return
    try:
        sweeps.mark(name, database_now())
    except DatabaseError as error:  # the sweep's own work is done and must not be told as failed
        log.warning("sweep not marked", sweep=name, error=str(error))
    else:
        _marked[name] = time.monotonic()
