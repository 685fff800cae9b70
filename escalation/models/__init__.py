"""What is stored: fields, constraints and querysets; who may change it is the services' business."""

from escalation.models.contacts import Contact, Policy, PolicyStep
from escalation.models.incidents import Incident, IncidentCause, IncidentNote, Watermark
from escalation.models.notifications import DeliveryAttempt, Notification

__all__ = [
    "Contact",
    "DeliveryAttempt",
    "Incident",
    "IncidentCause",
    "IncidentNote",
    "Notification",
    "Policy",
    "PolicyStep",
    "Watermark",
]
