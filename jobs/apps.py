"""Django's name for the app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """What ran, in what state, until when."""

    name = "jobs"
    verbose_name = "Jobs"
