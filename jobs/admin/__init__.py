"""The operator screens of this app. Each module registers its own."""

from jobs.admin import calls, job, records, service, tokens, vocabulary

__all__ = ["calls", "job", "records", "service", "tokens", "vocabulary"]
