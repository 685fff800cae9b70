"""Wake-ups: hints that make a sweep come sooner. Nothing depends on them.

They are sent by a thread of their own, because a broker that hangs holds up whoever talks to it for seconds; the
request or sweep that gave the hint has long gone on by then.
"""

import os
import queue
import threading
import time

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger(__name__)

QUIET_SECONDS = 5.0
"""How long no hint is sent after one could not be: the sweeps find the work at their next tick anyway."""
EXPIRES_SECONDS = 300
"""A hint that waited for longer is dropped. Not less: the worker judges by its own clock, which may be off."""


class Sender:
    """Sends task names, one after the other, in a thread that starts with the first one.

    A name that waits already is not added again: one run finds all that is due.
    """

    def __init__(self) -> None:
        self.names: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.waiting: set[str] = set()
        self.quiet_until = 0.0
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def add(self, name: str) -> None:
        """Have it sent soon; returns at once."""
        with self.lock:
            if name in self.waiting or time.monotonic() < self.quiet_until:
                return
            self.waiting.add(name)
            self.names.put(name)
            if self.thread is None:
                self.thread = threading.Thread(target=self._send_all, name="wake-ups", daemon=True)
                self.thread.start()

    def _send_all(self) -> None:
        while True:
            name = self.names.get()
            with self.lock:  # before it is sent: what is committed from now on needs a hint of its own
                self.waiting.discard(name)
                quiet = time.monotonic() < self.quiet_until
            if not quiet:
                self._send(name)

    def _send(self, name: str) -> None:
        try:
            current_app.send_task(name, expires=EXPIRES_SECONDS)
        except Exception as error:  # whatever the broker's client raises: the sweeps do the work without this hint
            self.quiet_until = time.monotonic() + QUIET_SECONDS
            log.warning("wake-up not sent", task=name, error=type(error).__name__)


_sender = Sender()


def wake_after_commit(task_name: str) -> None:
    """Once the transaction at hand is committed, ask for a run of the named Celery task now rather than at its tick."""
    transaction.on_commit(lambda: _sender.add(task_name), robust=True)


def _after_fork() -> None:
    """A forked worker process has none of its parent's threads, and perhaps a lock that nobody will ever release."""
    global _sender
    _sender = Sender()


os.register_at_fork(after_in_child=_after_fork)
