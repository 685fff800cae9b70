"""Composition root: settings, URLs, Celery and health; no business rules live here."""

from choreo_web.celery import app as celery_app

__all__ = ["celery_app"]
