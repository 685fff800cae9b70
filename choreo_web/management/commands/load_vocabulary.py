"""`manage.py load_vocabulary FILE`: the shared vocabulary from ALPS JSON or from Choreo's own JSON."""

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.domain.errors import ChoreoError
from jobs.services.vocabulary import load_terms


class Command(BaseCommand):
    """Loads every term of a file, or none when one of them is at fault."""

    help = 'Load terms from a file: ALPS JSON, or {"terms": [{"property": …, "schema": …}]}. All of them or none.'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The file's path."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Raises CommandError that says what is wrong, and where in the file."""
        try:
            count = load_terms(_read(file))
        except ChoreoError as error:
            faults = [f"\n  {fault.pointer or '/'}: {fault.detail}" for fault in error.errors]
            raise CommandError(f"{file}: {error.detail}{''.join(faults)}") from error
        self.stdout.write(f"{count} terms loaded from {file}.")


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # JSON's own, and bytes that are not UTF-8
        raise CommandError(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise CommandError(f"{file} must hold a JSON object.")
    return document
