"""The append-only history of a job."""

from typing import Any

from django.db import models

from jobs.domain.events import Cause, EventKind
from jobs.models.base import choices, one_of
from jobs.models.job import Job
from jobs.models.task import Task


class JobEvent(models.Model):
    """What happened, when and by whom. Never changed after it was written; `cause` is set when it calls for help."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, null=True, related_name="events")
    kind = models.CharField(max_length=20, choices=choices(EventKind))
    cause = models.CharField(max_length=20, choices=choices(Cause), blank=True)
    actor = models.CharField(max_length=150, help_text="A service, an operator, or Choreo itself.")
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("kind", EventKind, "event_kind_known"),
            one_of("cause", Cause, "event_cause_known"),
        ]
        indexes = [
            models.Index(fields=["job", "id"], name="event_by_job"),
            models.Index(fields=["id"], condition=~models.Q(cause=""), name="event_calls_for_help"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is a bug, for history is only ever added to."""
        if not self._state.adding:
            raise TypeError("A job's history is append-only.")
        super().save(*args, **kwargs)
