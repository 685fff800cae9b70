"""The Celery app and its whole schedule.

A message is only ever a hint: what is due stands in SQL rows, and each of these sweeps finds it there by itself.
"""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")

app = Celery("choreo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(seconds: float, task: str) -> dict[str, object]:
    """One beat entry. A tick that waited longer than a few periods is dropped: a newer one finds the same rows."""
    return {"task": task, "schedule": seconds, "options": {"expires": max(5.0, 3 * seconds)}}


@app.on_after_configure.connect  # only then: this module is imported while the settings are still being read
def _schedule(sender: Celery, **_: object) -> None:
    sender.conf.beat_schedule = {
        "sweep-deadlines": _every(settings.CHOREO_SWEEP_SECONDS, "jobs.sweep_deadlines"),
        "sweep-calls": _every(settings.CHOREO_SWEEP_SECONDS, "jobs.sweep_calls"),
        "sweep-incidents": _every(settings.CHOREO_SWEEP_SECONDS, "escalation.sweep_incidents"),
        "sweep-notifications": _every(settings.CHOREO_SWEEP_SECONDS, "escalation.sweep_notifications"),
        "audit-jobs": _every(30.0, "jobs.audit"),
    }
