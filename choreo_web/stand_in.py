"""Sweeps without the broker: beat does itself what has not been done for a while.

Beat's ticks reach the workers through the broker. While that is away, or no worker takes them, deadlines would go by
unwatched. So a thread of each beat process looks at the marks that the workers' sweeps leave in the database, and runs
a sweep whose mark is too old, until the marks are fresh again. It asks neither the broker nor beat's own loop, which
may be stuck in a broker that hangs. Any number of sweeps may overlap, so two that are at it at once do no harm.

A sweep done here leaves no mark: marks tell that the usual way works, and here it does not. Why so: docs/decisions/.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery.signals import beat_init
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from choreo_web.celery import app
from choreo_web.sweep_marks import EVERY_SECONDS
from jobs.services import sweeps
from jobs.services.clock import database_now

log = structlog.get_logger(__name__)

_AWAY = (DatabaseError, InterfaceError)


def patience(period: float) -> float:
    """After how many seconds without a mark a sweep that is planned every `period` seconds is done here."""
    return max(3.0, 3 * period) + EVERY_SECONDS


class StandIn:
    """Runs overdue sweeps by `run`, a function of the sweep's name; `periods` are the planned seconds between two.

    Each sweep has a thread of its own while it runs, so that none waits for another one's slow provider.
    """

    def __init__(self, run: Callable[[str], object], periods: Mapping[str, float]) -> None:
        self.run = run
        self.periods = periods
        self.running: set[str] = set()
        self.standing_in: frozenset[str] = frozenset()
        self.lock = threading.Lock()
        self.begun = time.monotonic()

    def overdue(self, ages: Mapping[str, float]) -> list[str]:
        """The sweeps to do now, given the seconds since the mark of each; one that is under way here is left out.

        One that was never marked is as old as this stand-in: when everything is new, the workers have their chance.
        """
        watched = time.monotonic() - self.begun
        late = {name for name, period in self.periods.items() if ages.get(name, watched) > patience(period)}
        self._tell(frozenset(late))
        return sorted(late - self.running)

    def look(self, ages: Mapping[str, float]) -> list[threading.Thread]:
        """Start what is overdue; the threads in which it runs."""
        return [self._start(name) for name in self.overdue(ages)]

    def keep_looking(self, stop: threading.Event, seconds: float) -> None:
        """Look every so many `seconds` until `stop` is set; a database that is away ends nothing."""
        while not stop.wait(seconds):
            try:
                self.look(sweeps.ages(database_now()))
            except _AWAY as error:
                log.warning("the stand-in cannot read the sweeps' marks", error=type(error).__name__)
            except Exception:  # whatever it is, the next look may succeed, and nobody else would start this again
                log.exception("the stand-in could not look")
            _let_go_of_the_database()

    def _start(self, name: str) -> threading.Thread:
        with self.lock:
            self.running.add(name)
        thread = threading.Thread(target=self._run, args=(name,), name=f"stand-in {name}", daemon=True)
        thread.start()
        return thread

    def _run(self, name: str) -> None:
        try:
            self.run(name)
        except _AWAY as error:
            log.warning("sweep of the stand-in failed", sweep=name, error=type(error).__name__)
        except Exception:
            log.exception("sweep of the stand-in failed", sweep=name)
        finally:
            connections.close_all()
            with self.lock:
                self.running.discard(name)

    def _tell(self, late: frozenset[str]) -> None:
        """One line when it begins and one when it ends, not one a second."""
        if begun := late - self.standing_in:
            log.warning("sweeps are behind: beat does them too", sweeps=sorted(begun))
        if ended := self.standing_in - late:
            log.warning("sweeps are in time again: beat leaves them to the workers", sweeps=sorted(ended))
        self.standing_in = late


@beat_init.connect
def start(**_: object) -> threading.Thread:
    """Beat's process starts: have its stand-in from now on, as long as it lives."""
    periods = {str(entry["task"]): float(entry["schedule"]) for entry in app.conf.beat_schedule.values()}
    stand_in = StandIn(_call, periods)
    arguments: dict[str, Any] = {"stop": threading.Event(), "seconds": float(settings.CHOREO_SWEEP_SECONDS)}
    thread = threading.Thread(target=stand_in.keep_looking, kwargs=arguments, name="stand-in", daemon=True)
    thread.start()
    return thread


def _call(name: str) -> object:
    """Run a sweep right here: calling a task, other than sending it, involves no broker and tells no signal."""
    return app.tasks[name]()


def _let_go_of_the_database() -> None:
    """A connection that is broken or old is closed; a good one is kept for the next look."""
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
