"""Django's name for the composition root."""

from importlib import import_module

from django.apps import AppConfig


class ChoreoWebConfig(AppConfig):
    """Settings, URLs, health and the commands that run it all."""

    name = "choreo_web"

    def ready(self) -> None:
        """Listen to the sweeps' ends; the module needs the models, which are there only now."""
        import_module("choreo_web.sweep_marks")
