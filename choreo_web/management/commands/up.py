"""`manage.py up`: everything in one process, with nothing to install."""

import argparse
import errno
import fcntl
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from choreo_web import launch
from choreo_web.celery import app
from choreo_web.demo import Demo
from choreo_web.embedded import Embedded, leave
from choreo_web.wsgi import application
from escalation.services.defaults import ensure_defaults

log = structlog.get_logger(__name__)

_MIGRATION_LOCK = 0x43686F72656F  # "Choreo", the key of an advisory lock
_BACKLOG = 128


class Command(BaseCommand):
    """Migrate, make the first operator, then run web, worker and beat until told to stop."""

    help = "Run everything: migrations, web, worker and beat, in one process."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """See `launch.add_arguments`."""
        launch.add_arguments(parser)

    def handle(self, *args: Any, host: str, port: int, demo: bool, **options: Any) -> None:
        """Start, stay, and end the process. Raises CommandError, in a line, when it cannot start."""
        lock = _lock_data_folder()  # held until the process ends
        listener = _listen(host, port)
        url = launch.local_url(host, port)
        try:
            with _one_migrates():
                call_command("migrate", verbosity=0, interactive=False)
                self._first_start()
                ensure_defaults()
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).strip().splitlines()[0]}") from error
        finally:
            connection.close()
        self._greet(url)
        code = _stay(listener, Demo(url, self._say) if demo else None)
        lock.close()
        leave(code)

    def _first_start(self) -> None:
        """Make the operator `admin` where there is no user at all.

        The password is told before it is stored, so that no crash leaves an operator whose password nobody has seen.
        """
        if User.objects.exists():
            return
        password = settings.CHOREO_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        if not settings.CHOREO_ADMIN_PASSWORD:
            self._say(f"First start: the operator is admin, with the password {password}")
        User.objects.create_superuser("admin", "", password)

    def _greet(self, url: str) -> None:
        self._say(f"Choreo listens on {url}")
        self._say(f"  operators  {settings.CHOREO_PUBLIC_URL}/admin/  (sign in as admin)")
        self._say(f"  services   {settings.CHOREO_PUBLIC_URL}/api/v1/  (manage.py issue_token SERVICE makes a token)")
        self._say(f"  health     {settings.CHOREO_PUBLIC_URL}/readyz")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # whoever waits for the line may read from a pipe


def _stay(listener: socket.socket, demo: Demo | None) -> int:
    """Run until told to stop, or until a part dies; the process' exit code."""
    everything = Embedded(application, app, listener)
    everything.start()
    try:
        code = everything.watch(demo.tick if demo else lambda: None)
    except Exception:
        log.critical("Choreo ends because of an error of its own", exc_info=True)
        code = 1
    if demo:
        demo.stop()
    everything.stop()
    if demo:
        demo.kill()
    return code


def _lock_data_folder() -> TextIO:
    """Keep a second `up` out of the same data: it would share the SQLite file and the demo's ports."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    lock = (settings.DATA_DIR / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CommandError(f"Another `up` runs with the data folder {settings.DATA_DIR}.") from error
    return lock


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} of {host} is taken. Choose another with --port.") from error
        raise CommandError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error


@contextmanager
def _one_migrates() -> Iterator[None]:
    """On PostgreSQL several hosts may start at once: the others wait until the first has migrated."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])
