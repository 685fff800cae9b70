"""`manage.py webhook_secret SERVICE`: the secret with which a service checks that a call came from Choreo."""

import argparse
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.models import Service
from jobs.services import accounts
from jobs.services.clock import database_now


class Command(BaseCommand):
    """Prints the webhook secret of a service alone on stdout; on stderr, until when an older one is valid too."""

    help = "Print the secret that signs Choreo's calls to a service (Standard Webhooks), alone on stdout."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The service's name, and what is to be done with its secrets."""
        parser.add_argument("service")
        parser.add_argument(
            "--rotate", action="store_true", help="Make a new one; for 24 hours the old one signs every call too."
        )
        parser.add_argument(
            "--revoke-previous",
            action="store_true",
            help="The old one signs no more from now on: for one that leaked. With --rotate, the one in use until now.",
        )

    def handle(self, *args: Any, service: str, rotate: bool, revoke_previous: bool, **options: Any) -> None:
        """Raises CommandError for a service that does not exist."""
        found = Service.objects.filter(name=service).first()
        if found is None:
            raise CommandError(f"There is no service {service!r}; `manage.py issue_token {service}` makes it.")
        now = database_now()
        if rotate:
            accounts.rotate_webhook_secret(found, now)
        if revoke_previous and not accounts.revoke_previous_secret(found):
            self.stderr.write("There was no previous secret to revoke.")
        self.stdout.write(found.webhook_secret)
        self._tell_of_the_previous(found, now)

    def _tell_of_the_previous(self, service: Service, now: datetime) -> None:
        if until := accounts.previous_secret_until(service, now):
            self.stderr.write(
                f"The previous secret is valid until {until:%Y-%m-%d %H:%M:%S} UTC: until then every call bears the "
                "signatures of both. If it has leaked: --revoke-previous."
            )
