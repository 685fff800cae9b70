"""Django's name for the app."""

from django.apps import AppConfig


class EscalationConfig(AppConfig):
    """Who must know, by which way, until someone answers."""

    name = "escalation"
    verbose_name = "Calls for help"
