"""Wake-ups: hints that make a sweep come sooner. Nothing depends on them."""

import time

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger(__name__)

_QUIET_SECONDS = 5.0
_quiet_until = 0.0


def wake_after_commit(task_name: str) -> None:
    """Once the transaction at hand is committed, ask for a run of the named Celery task now rather than at its tick."""
    transaction.on_commit(lambda: _wake(task_name), robust=True)


def _wake(task_name: str) -> None:
    """Send, and after a failure keep quiet for some seconds, so that a dead broker slows no request down."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        current_app.send_task(task_name, expires=10)
    except Exception as error:  # whatever the broker's client raises: the sweeps do the work without this hint
        _quiet_until = time.monotonic() + _QUIET_SECONDS
        log.warning("wake-up not sent", task=task_name, error=type(error).__name__)
