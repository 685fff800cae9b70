"""The Celery app and its whole schedule.

A message is only ever a hint: what is due stands in SQL rows, and each of these sweeps finds it there by itself.
"""

import os
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from django.conf import settings
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")

RECONNECT_SECONDS = 3.0
"""The longest pause between two tries to reach a broker that is away. Celery's grows to 30 s, and has no setting."""
TICK_EXPIRES_SECONDS = 300.0


class PatientConnection(Connection):
    """A connection to the broker that tries again soon, however long the broker has been away."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, however often it takes. Workers and beat come through here, at their start and after each loss."""
        return super().ensure_connection(*args, **({"interval_max": RECONNECT_SECONDS} | kwargs))


class PatientAMQP(AMQP):
    """Celery's messaging with connections of ours, for workers, beat and wake-ups alike."""

    Connection = PatientConnection


app = Celery("choreo", amqp=PatientAMQP)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(seconds: float, task: str) -> dict[str, object]:
    """One beat entry. A tick that waited for long is dropped: a newer one finds the same rows.

    Not sooner, though: the worker judges by its own clock, and one that is ahead would drop them all.
    """
    return {"task": task, "schedule": seconds, "options": {"expires": max(TICK_EXPIRES_SECONDS, 3 * seconds)}}


@app.on_after_configure.connect  # only then: this module is imported while the settings are still being read
def _schedule(sender: Celery, **_: object) -> None:
    sender.conf.beat_schedule = {
        "sweep-deadlines": _every(settings.CHOREO_SWEEP_SECONDS, "jobs.sweep_deadlines"),
        "sweep-calls": _every(settings.CHOREO_SWEEP_SECONDS, "jobs.sweep_calls"),
        "sweep-replays": _every(settings.CHOREO_SWEEP_SECONDS, "jobs.sweep_replays"),
        "sweep-leases": _every(5.0, "jobs.sweep_leases"),
        "sweep-incidents": _every(settings.CHOREO_SWEEP_SECONDS, "escalation.sweep_incidents"),
        "sweep-notifications": _every(settings.CHOREO_SWEEP_SECONDS, "escalation.sweep_notifications"),
        "audit-jobs": _every(30.0, "jobs.audit"),
    }
