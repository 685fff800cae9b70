"""The services that take part: who they are, how they prove it, and where they can be reached."""

import uuid

from django.core.validators import RegexValidator
from django.db import models

SERVICE_NAME = r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"


class Service(models.Model):
    """A service that reports to Choreo. `webhook_secret` signs what Choreo sends to it (Standard Webhooks), and for a
    while after a rotation `previous_secret` signs it too. What is known of its health stands here as well."""

    name = models.CharField(
        max_length=100,
        unique=True,
        validators=[RegexValidator(SERVICE_NAME, "Lower-case letters, digits, dots, dashes and underscores.")],
    )
    description = models.CharField(max_length=500, blank=True)
    webhook_secret = models.CharField(max_length=100, editable=False)
    fallback_url = models.URLField(
        max_length=2000,
        blank=True,
        help_text="Where cancel and revert calls go when the URL that the task gave does not answer.",
    )
    probe_url = models.URLField(
        max_length=2000,
        blank=True,
        help_text="Answers a GET with 2xx when the service can work: then what waits in its replay queue is replayed. "
        "Without it, the call that waits the longest is tried now and then.",
    )
    allowed_hosts = models.TextField(
        blank=True,
        help_text="One host:port a line. If there is any, Choreo calls this service nowhere else, and there even "
        "when the address is private; never link-local and metadata addresses.",
    )
    previous_secret = models.CharField(max_length=100, blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text="Its last call got no usable answer: it is called one call at a time."
    )
    probe_at = models.DateTimeField(null=True, editable=False, help_text="When it is next asked whether it is back.")
    probes_failed = models.PositiveIntegerField(default=0, editable=False)
    leases_lost_at = models.DateTimeField(
        null=True, editable=False, help_text="All its leases ran out while it had work."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ServiceToken(models.Model):
    """A bearer token of a service; only its SHA-256 is kept, with the first characters to tell tokens apart."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=12, editable=False)
    scopes = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.service}"

    @property
    def is_live(self) -> bool:
        """True until it is revoked."""
        return self.revoked_at is None


class LocationKind(models.TextChoices):
    """How a location is meant to be used."""

    PRIMARY = "primary"
    FALLBACK = "fallback"


class Location(models.Model):
    """Where a service says that it can be reached, until its lease runs out."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="locations")
    location_id = models.UUIDField(default=uuid.uuid4)
    url = models.URLField(max_length=2000)
    priority = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=10, choices=LocationKind.choices, default=LocationKind.PRIMARY)
    lease_seconds = models.PositiveIntegerField()
    lease_expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["priority", "location_id"]
        constraints = [
            models.UniqueConstraint(fields=["service", "location_id"], name="location_once_per_service"),
            models.CheckConstraint(
                condition=models.Q(lease_seconds__gte=5, lease_seconds__lte=86400), name="location_lease_bounds"
            ),
        ]
        indexes = [models.Index(fields=["service", "lease_expires_at"], name="location_live")]

    def __str__(self) -> str:
        return self.url
