"""`manage.py webhook_secret SERVICE`: the secret with which a service checks that a call came from Choreo."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.models import Service
from jobs.services.accounts import rotate_webhook_secret


class Command(BaseCommand):
    """Prints the webhook secret of a service; with --rotate, a new one that replaces it."""

    help = "Print the secret that signs Choreo's calls to a service (Standard Webhooks), alone on stdout."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The service's name, and whether its secret is to be replaced."""
        parser.add_argument("service")
        parser.add_argument("--rotate", action="store_true", help="Replace it: from now on only the new one signs.")

    def handle(self, *args: Any, service: str, rotate: bool, **options: Any) -> None:
        """Raises CommandError for a service that does not exist."""
        found = Service.objects.filter(name=service).first()
        if found is None:
            raise CommandError(f"There is no service {service!r}; `manage.py issue_token {service}` makes it.")
        self.stdout.write(rotate_webhook_secret(found) if rotate else found.webhook_secret)
