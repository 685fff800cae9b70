"""Cancel and revert calls to services. The row is the queue: what is due stands here, not in a broker."""

import uuid

from django.db import models

from jobs.domain.states import CallAction, CallStatus
from jobs.models.base import choices, one_of
from jobs.models.job import Job
from jobs.models.task import Task


class Call(models.Model):
    """One cancel or one revert that a task needs: at most one of each, whatever happens.

    Due at `next_at` while `pending`; owned by a worker until `lease_until` while `running`; then `done` or `failed`.
    `idempotency_key` is the same for every attempt. `poll_url` is where a 202 said the outcome will be.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="calls")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="calls")
    action = models.CharField(max_length=6, choices=choices(CallAction))
    reason = models.CharField(max_length=12)
    status = models.CharField(max_length=7, choices=choices(CallStatus), default=CallStatus.PENDING)
    outcome = models.CharField(max_length=40, blank=True, help_text="How it was settled, in a word.")
    idempotency_key = models.UUIDField(default=uuid.uuid4, editable=False)
    attempts_made = models.PositiveIntegerField(default=0, help_text="In the round that is under way.")
    poll_url = models.CharField(max_length=2000, blank=True)
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True, help_text="Which claim holds it: an older one may record nothing.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "action"], name="call_once_per_task_and_action"),
            one_of("status", CallStatus, "call_status_known"),
            one_of("action", CallAction, "call_action_known"),
            models.CheckConstraint(
                condition=~models.Q(status="running") | models.Q(lease_until__isnull=False, lease_token__isnull=False),
                name="call_running_has_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(status="pending"), name="call_due"),
            models.Index(fields=["lease_until"], condition=models.Q(status="running"), name="call_lease"),
            models.Index(fields=["job"], name="call_by_job"),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.task}"


class CallAttempt(models.Model):
    """One time that a service was called. Written before the call goes out, so that even a crash leaves its trace."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="attempts")
    url = models.CharField(max_length=2000)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=20, blank=True, help_text="Empty: it was interrupted, or is under way.")
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.url} at {self.started_at:%H:%M:%S}"
