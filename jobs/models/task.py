"""The task: one service's step of a job."""

from django.db import models

from jobs.domain.states import TaskStatus
from jobs.models.accounts import Service
from jobs.models.base import choices, one_of
from jobs.models.job import Job


class Task(models.Model):
    """One step. Only the service that first wrote it may write it again; `late_at` marks a result that came after
    the job was cancelled."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks")
    task_id = models.UUIDField()
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="tasks")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=12, choices=choices(TaskStatus))
    max_ttl = models.PositiveIntegerField(null=True, help_text="Seconds from its start to its deadline.")
    caused_by = models.UUIDField(null=True, help_text="The task that it reacted to.")
    state_changed = models.BooleanField(default=True)
    message = models.CharField(max_length=500, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    cancel_url = models.CharField(max_length=2000, blank=True)
    revert_url = models.CharField(max_length=2000, blank=True)
    traceparent = models.CharField(max_length=55, blank=True)
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    late_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "task_id"], name="task_once_per_job"),
            one_of("status", TaskStatus, "task_status_known"),
        ]
        indexes = [
            models.Index(fields=["service", "job"], name="task_by_service"),
            models.Index(
                fields=["deadline_at"],
                condition=models.Q(status="working", deadline_at__isnull=False),
                name="task_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {str(self.task_id)[:8]}"
