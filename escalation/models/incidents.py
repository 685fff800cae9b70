"""Calls for help about a job, what caused them, and what was done about them."""

import uuid
from typing import Any

from django.db import models

from escalation.domain.incidents import IncidentStatus, NoteKind, Severity
from jobs.domain.events import Cause
from jobs.models import Job, JobEvent
from jobs.models.base import choices, one_of

_OPEN, _RESOLVED = models.Q(status=IncidentStatus.OPEN), models.Q(status=IncidentStatus.RESOLVED)


class Incident(models.Model):
    """One call for help; a job has at most one that is not resolved.

    `policy` is the policy as it stood when the incident opened (see `escalation.domain.policy.Plan`). `episode`
    counts how often the calling began (anew when it got worse or was reopened), `step` how many steps were called in
    this episode, over all its rounds; the next one is due at `next_step_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="incidents")
    status = models.CharField(max_length=12, choices=choices(IncidentStatus), default=IncidentStatus.OPEN)
    severity = models.CharField(max_length=8, choices=choices(Severity))
    cause = models.CharField(max_length=20, choices=choices(Cause), help_text="The gravest, and of these the first.")
    summary = models.CharField(max_length=300)
    needs_human = models.BooleanField(default=False, help_text="Undoing the job does not resolve it.")
    opened_at = models.DateTimeField()
    last_cause_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=150, blank=True)
    policy = models.JSONField()
    episode = models.PositiveIntegerField(default=1)
    step = models.PositiveIntegerField(default=0)
    next_step_at = models.DateTimeField(null=True)
    version = models.PositiveBigIntegerField(default=1)

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            one_of("status", IncidentStatus, "incident_status_known"),
            one_of("severity", Severity, "incident_severity_known"),
            one_of("cause", Cause, "incident_cause_known"),
            models.UniqueConstraint(fields=["job"], condition=~_RESOLVED, name="incident_one_unresolved_per_job"),
            models.CheckConstraint(
                condition=~models.Q(status=IncidentStatus.ACKNOWLEDGED) | models.Q(acknowledged_at__isnull=False),
                name="incident_acknowledged_has_time",
            ),
            models.CheckConstraint(
                condition=~_RESOLVED | models.Q(resolved_at__isnull=False), name="incident_resolved_has_time"
            ),
            models.CheckConstraint(
                condition=models.Q(next_step_at__isnull=True) | _OPEN, name="incident_calls_only_while_open"
            ),
        ]
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="incident_newest"),
            models.Index(fields=["-opened_at"], condition=~_RESOLVED, name="incident_unresolved"),
            models.Index(
                fields=["next_step_at"], condition=models.Q(next_step_at__isnull=False), name="incident_step_due"
            ),
        ]

    def __str__(self) -> str:
        return self.summary


class IncidentCause(models.Model):
    """The receipt of a history entry that called for help: it is in this incident, and in no other, ever."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="causes")
    event = models.OneToOneField(JobEvent, on_delete=models.CASCADE, related_name="incident_cause")
    cause = models.CharField(max_length=20, choices=choices(Cause))

    class Meta:
        ordering = ["event_id"]
        constraints = [one_of("cause", Cause, "incident_cause_kind_known")]

    def __str__(self) -> str:
        return f"{self.cause} in {self.incident}"


class IncidentNote(models.Model):
    """What happened to an incident, when and by whom. Only ever added to."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    kind = models.CharField(max_length=12, choices=choices(NoteKind))
    actor = models.CharField(max_length=150, help_text="A person, or Choreo itself.")
    text = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [one_of("kind", NoteKind, "incident_note_kind_known")]

    def __str__(self) -> str:
        return f"{self.kind} by {self.actor}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is a bug, for the log is only ever added to."""
        if not self._state.adding:
            raise TypeError("An incident's log is append-only.")
        super().save(*args, **kwargs)


class Watermark(models.Model):
    """Up to which history entry everything has its receipt (see `escalation.services.opening`)."""

    name = models.CharField(max_length=30, primary_key=True)
    event_id = models.PositiveBigIntegerField(default=0)
    moved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.event_id}"
