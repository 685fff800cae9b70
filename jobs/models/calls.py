"""Cancel and revert calls to services. The row is the queue: what is due stands here, not in a broker."""

import uuid

from django.db import models

from jobs.domain.states import CallAction, CallStatus
from jobs.models.accounts import Service
from jobs.models.base import choices, one_of
from jobs.models.job import Job
from jobs.models.task import Task


class Call(models.Model):
    """One cancel or one revert that a task needs: at most one of each, whatever happens.

    Due at `next_at` while `pending` or `queued`; owned by a worker until `lease_until` while `running`; then `done` or
    `failed`. `idempotency_key` is the same for every attempt since `created_at`; late work may need a revert of its own
    under a new one. `poll_url` is where a 202 said the outcome will be.

    `queued` is the replay queue: since `queued_at`, because of `queue_reason`, until `give_up_at`. While a call runs it
    has one of its service's slots, so that no service ever gets more than so many at once. Until `holds_until` (None:
    not at all) the call keeps waiting what caused its task; see `jobs.domain.undo`.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="calls")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="calls")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="calls")
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
    slot = models.PositiveSmallIntegerField(null=True)
    holds_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    queue_reason = models.CharField(max_length=300, blank=True)
    give_up_at = models.DateTimeField(null=True)
    replays = models.PositiveIntegerField(default=0, help_text="How often it was taken out of the queue in vain.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "action"], name="call_once_per_task_and_action"),
            one_of("status", CallStatus, "call_status_known"),
            one_of("action", CallAction, "call_action_known"),
            models.CheckConstraint(
                condition=~models.Q(status="running")
                | models.Q(lease_until__isnull=False, lease_token__isnull=False, slot__isnull=False),
                name="call_running_has_lease",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="queued") | models.Q(queued_at__isnull=False, give_up_at__isnull=False),
                name="call_queued_has_window",
            ),
            models.UniqueConstraint(
                fields=["service", "slot"], condition=models.Q(status="running"), name="call_one_per_slot"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(status__in=["pending", "queued"]), name="call_due"),
            models.Index(fields=["service", "next_at"], condition=models.Q(status="queued"), name="call_queue"),
            models.Index(fields=["holds_until"], condition=models.Q(holds_until__isnull=False), name="call_holds"),
            models.Index(fields=["lease_until"], condition=models.Q(status="running"), name="call_lease"),
            models.Index(fields=["job"], name="call_by_job"),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.task}"


class CallAttempt(models.Model):
    """One time that a service was called. Written before the call goes out, so that even a crash leaves its trace."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="attempts")
    method = models.CharField(max_length=4, default="PUT", help_text="PUT asks for the undoing, GET how far it is.")
    url = models.CharField(max_length=2000)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    retry_after = models.FloatField(null=True, help_text="Seconds of patience that the answer asked for.")
    outcome = models.CharField(max_length=20, blank=True, help_text="Empty: it was interrupted, or is under way.")
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.url} at {self.started_at:%H:%M:%S}"
