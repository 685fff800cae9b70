"""The job: one run of a choreography, bounded by its max TTL."""

from django.db import models

from jobs.domain.states import JobStatus, OnTaskFailure, Reason
from jobs.models.accounts import Service
from jobs.models.base import choices, one_of


class Job(models.Model):
    """One job. The ID is its initiator's; `version` counts every change to it or to its tasks (the ETag)."""

    id = models.UUIDField(primary_key=True)
    owner = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="jobs")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    max_ttl = models.PositiveIntegerField(help_text="Seconds from start to the deadline.")
    status = models.CharField(max_length=12, choices=choices(JobStatus))
    reason = models.CharField(max_length=12, choices=choices(Reason), blank=True)
    on_task_failure = models.CharField(max_length=6, choices=choices(OnTaskFailure))
    plan = models.JSONField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            one_of("status", JobStatus, "job_status_known"),
            models.CheckConstraint(
                condition=models.Q(max_ttl__gte=1, max_ttl__lte=31 * 86400), name="job_max_ttl_bounds"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="working") | models.Q(started_at__isnull=False, deadline_at__isnull=False),
                name="job_working_has_deadline",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="cancelling") | ~models.Q(reason=""), name="job_cancelling_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            models.Index(fields=["owner", "-created_at"], name="job_by_owner"),
            models.Index(fields=["name", "-created_at"], name="job_by_name"),
            models.Index(fields=["status", "-created_at"], name="job_by_status"),
            models.Index(fields=["deadline_at"], condition=models.Q(status="working"), name="job_due"),
            models.Index(fields=["id"], condition=models.Q(status="cancelling"), name="job_cancelling"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {str(self.id)[:8]}"


class JobProgress(models.Model):
    """The progress resource, rendered once for each version of its job and served as it is until the next."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    version = models.PositiveBigIntegerField()
    etag = models.CharField(max_length=70)
    modified_at = models.DateTimeField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"progress of {self.job_id}"
