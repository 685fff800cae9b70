"""Django's name for the app."""

from importlib import import_module

from django.apps import AppConfig


class EscalationConfig(AppConfig):
    """Who must know, by which way, until someone answers."""

    name = "escalation"
    verbose_name = "Calls for help"

    def ready(self) -> None:
        """Have the settings of alerts checked at every start."""
        import_module("escalation.transports.checks")
