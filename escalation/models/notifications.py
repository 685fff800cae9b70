"""Messages to people, and every attempt to deliver one. The row is the queue."""

from django.db import models

from escalation.domain.delivery import Channel, DeliveryStatus, MessageKind, Outcome
from escalation.models.contacts import Contact
from escalation.models.incidents import Incident
from jobs.models.base import choices, one_of


class Notification(models.Model):
    """One message for one address, kept as it was rendered.

    Due at `next_at` while `pending`; owned by a sender until `lease_until` while `sending`; then settled. `key` makes
    it exist once, and `message_id` stays the same for every attempt. `way` is the provider whose turn it is, 0 being
    the first; `attempts` counts the rounds through all of them.
    """

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notifications")
    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, related_name="notifications")
    contact_name = models.CharField(max_length=100)
    channel = models.CharField(max_length=5, choices=choices(Channel))
    address = models.CharField(max_length=254)
    kind = models.CharField(max_length=12, choices=choices(MessageKind))
    episode = models.PositiveIntegerField()
    step = models.PositiveIntegerField(default=0)
    key = models.CharField(max_length=350, unique=True, editable=False)
    message_id = models.CharField(max_length=150, unique=True, editable=False)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=choices(DeliveryStatus), default=DeliveryStatus.PENDING)
    way = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True, help_text="Which claim holds it: an older one may record nothing.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    detail = models.CharField(max_length=300, blank=True, help_text="What the last attempt came to, in words.")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            one_of("status", DeliveryStatus, "notification_status_known"),
            one_of("kind", MessageKind, "notification_kind_known"),
            one_of("channel", Channel, "notification_channel_known"),
            models.CheckConstraint(
                condition=~models.Q(status="sending") | models.Q(lease_until__isnull=False, lease_token__isnull=False),
                name="notification_sending_has_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(status="pending"), name="notification_due"),
            models.Index(fields=["lease_until"], condition=models.Q(status="sending"), name="notification_lease"),
            models.Index(fields=["-created_at", "-id"], name="notification_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.contact_name} by {self.channel}"


class DeliveryAttempt(models.Model):
    """One time that a provider was asked. Written before it is, so that even a crash leaves its trace."""

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="delivery_attempts")
    provider = models.CharField(max_length=40)
    provider_id = models.CharField(max_length=150, blank=True, help_text="What the provider calls the message.")
    started_at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField(null=True)
    outcome = models.CharField(
        max_length=9,
        choices=choices(Outcome),
        blank=True,
        help_text="Empty: it was interrupted, or is under way.",
    )
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["", *(o.value for o in Outcome)]), name="attempt_outcome_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} at {self.started_at:%H:%M:%S}"
