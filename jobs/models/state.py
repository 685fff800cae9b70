"""A job's shared state, revision by revision, and the vocabulary that it is written in."""

from django.db import models

from jobs.models.accounts import Service
from jobs.models.job import Job


class StateRevision(models.Model):
    """One revision of a job's shared state: `body` is the JSON text exactly as it was written. Revision 0, the empty
    object, is never stored."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="state_revisions")
    revision = models.PositiveIntegerField()
    body = models.TextField()
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["job", "-revision"]
        constraints = [models.UniqueConstraint(fields=["job", "revision"], name="state_revision_once")]

    def __str__(self) -> str:
        return f"revision {self.revision} of {self.job_id}"


class VocabularyTerm(models.Model):
    """A property that shared state may have. `schema` is JSON Schema 2020-12; values are absolute by rule."""

    property = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    schema = models.JSONField(default=dict, blank=True)
    absolute_by_definition = models.BooleanField(default=False)
    searchable = models.BooleanField(default=False, help_text="Operators may search jobs by its value.")
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["property"]

    def __str__(self) -> str:
        return self.property
