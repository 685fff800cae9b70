"""What services say went wrong."""

from django.db import models

from jobs.models.accounts import Service
from jobs.models.job import Job


class ErrorReport(models.Model):
    """A problem (RFC 9457) that a service reported; `body` is all of it, `halting` calls for help."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="error_reports")
    report_id = models.UUIDField()
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+")
    task_id = models.UUIDField(null=True)
    halting = models.BooleanField(default=False)
    title = models.CharField(max_length=500, blank=True)
    body = models.JSONField()
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["job", "report_id"], name="report_once_per_job")]

    def __str__(self) -> str:
        return self.title or str(self.report_id)
