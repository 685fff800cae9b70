"""Django's name for the composition root."""

from importlib import import_module

from django.apps import AppConfig


class ChoreoWebConfig(AppConfig):
    """Settings, URLs, health and the commands that run it all."""

    name = "choreo_web"

    def ready(self) -> None:
        """Listen to the sweeps' ends, to beat's start and to the end of workers; these modules need the models, which
        are there only now."""
        import_module("choreo_web.sweep_marks")
        import_module("choreo_web.last_calls")
        import_module("choreo_web.stand_in")
