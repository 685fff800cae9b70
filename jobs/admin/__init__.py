"""The operator screens of this app. Each module registers its own."""

from jobs.admin import job, records, service, vocabulary

__all__ = ["job", "records", "service", "vocabulary"]
