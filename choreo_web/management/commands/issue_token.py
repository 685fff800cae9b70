"""`manage.py issue_token SERVICE`: a bearer token, alone on stdout, so that a script can take it from there."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.domain.errors import ChoreoError
from jobs.services.accounts import SCOPES, issue_token


class Command(BaseCommand):
    """Prints a new token of the service, which is made when it is new."""

    help = "Print a new bearer token for a service, which is made when it is new. It is shown only this once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The service's name, and what more than reporting its token may do."""
        parser.add_argument("service", help="Its name: lower-case letters, digits, dots, dashes, underscores.")
        parser.add_argument("--scope", action="append", default=[], choices=sorted(SCOPES), dest="scopes")

    def handle(self, *args: Any, service: str, scopes: list[str], **options: Any) -> None:
        """Raises CommandError for a name that cannot be."""
        try:
            self.stdout.write(issue_token(service, scopes=scopes))
        except ChoreoError as error:
            raise CommandError(error.detail) from error
