"""All of Choreo in one process: web, worker and beat in a thread each, and the main thread that watches over them.

A part that dies takes the process with it, which says so and ends with code 1: half of Choreo must never look like all
of it. On SIGTERM or SIGINT the parts are asked to stop, and after `GRACE_SECONDS` they are left: whatever a thread was
doing is a row with a lease, and the next start does it again.
"""

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog
import waitress.server
from celery import Celery, beat
from celery.worker import state as worker_state
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from jobs.services import callers

log = structlog.get_logger(__name__)

GRACE_SECONDS = 4.0
_WEB_THREADS = 8
_MAX_BODY_BYTES = 64 * 1024 * 1024
_WATCH_SECONDS = 0.5


class Embedded:
    """Web (on `listener`, a bound socket), worker and beat; all methods are for the main thread."""

    def __init__(self, application: WSGIHandler, celery: Celery, listener: socket.socket) -> None:
        self.web = waitress.server.create_server(
            application,
            sockets=[listener],
            threads=_WEB_THREADS,
            ident=None,
            max_request_body_size=_MAX_BODY_BYTES,  # the API's own limit is lower, and answers with a problem
            clear_untrusted_proxy_headers=settings.SECURE_PROXY_SSL_HEADER is None,
        )
        self.celery = celery
        self.beat = beat.Service(celery, scheduler_cls=beat.Scheduler)  # keeps no file: the schedule is code
        self.stopping = False
        self.dead: list[str] = []
        # Not an Event: its lock may be held by the very thread that a signal interrupts, which then waits for ever.
        self.wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.threads: dict[str, threading.Thread] = {}

    def start(self) -> None:
        """Start the parts; from now on SIGTERM and SIGINT ask for a stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for name, part in (("web", self.web.run), ("worker", self._run_worker), ("beat", self.beat.start)):
            self._start(name, part)

    def watch(self, tick: Callable[[], None]) -> int:
        """Call `tick` twice a second until a signal comes (0) or a part dies (1): the process' exit code."""
        while not self.stopping:
            tick()
            with suppress(queue.Empty):
                self.wake.get(timeout=_WATCH_SECONDS)
        for name in self.dead:
            log.critical("Choreo ends, because a part of it has died", part=name)
        return 1 if self.dead else 0

    def stop(self) -> None:
        """Let what is under way come to its end, for `GRACE_SECONDS` at most."""
        end = time.monotonic() + GRACE_SECONDS
        self.stopping = True
        # The worker's loop looks at it after each message, and beat goes on sending some.
        worker_state.should_stop = 0  # type: ignore[assignment]  # the stubs know only its first value
        self.web.task_dispatcher.shutdown(timeout=2)
        self.threads["worker"].join(max(0.0, end - time.monotonic()))
        callers.drain(max(0.0, end - time.monotonic()))

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self.stopping = True
        self.wake.put(None)

    def _start(self, name: str, part: Callable[[], object]) -> None:
        def watched() -> None:
            try:
                part()
            except BaseException as error:  # SystemExit too: in a thread it would be swallowed in silence
                log.critical("part died", part=name, error=repr(error), exc_info=True)
            if not self.stopping:
                self.dead.append(name)
                self._ask_to_stop()

        self.threads[name] = threading.Thread(target=watched, name=name, daemon=True)
        self.threads[name].start()

    def _run_worker(self) -> None:
        worker = self.celery.WorkController(
            pool="threads",
            concurrency=8 if connection.vendor == "postgresql" else 4,  # SQLite has one writer at a time
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()


def leave(code: int) -> None:
    """End the process now, though threads may still hang in a call to a service that does not answer."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
