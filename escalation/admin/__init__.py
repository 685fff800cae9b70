"""The operator screens of this app. Each module registers its own."""

from escalation.admin import contacts, incident, job_section, notification

__all__ = ["contacts", "incident", "job_section", "notification"]
