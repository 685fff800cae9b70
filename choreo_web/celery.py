"""The Celery app and its whole schedule.

A message is only ever a hint: what is due stands in SQL rows, and each of these sweeps finds it there by itself.
"""

import os

from celery import Celery
from django.conf import settings

from choreo_web.broker import PatientAMQP

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")

TICK_EXPIRES_SECONDS = 300.0

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
