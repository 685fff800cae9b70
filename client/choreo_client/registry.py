"""Where the service registry says that a service is: a help that must not become one more thing to fail."""

import logging
import threading
import time
from collections.abc import Callable

from choreo_client.api import Choreo
from choreo_client.errors import ChoreoError

log = logging.getLogger("choreo_client")


class Registry:
    """The live locations of `service`, asked for at most every `keep` seconds. Safe to share between threads.

    While Choreo does not answer its last word counts, each location for as long as its lease could still run by then;
    and Choreo is asked once, without retries, so that its own trouble costs one timeout.
    """

    def __init__(
        self, choreo: Choreo, service: str, *, keep: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._choreo = choreo.once()
        self._service = service
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._fresh_until = clock()
        self._known: list[tuple[str, float]] = []

    def __call__(self) -> list[str]:
        """The URLs, in the order in which to try them; [] when none is known. Never raises a ChoreoError."""
        with self._lock:  # who comes meanwhile waits for the same answer
            if self._clock() >= self._fresh_until:
                self._ask()
                self._fresh_until = self._clock() + self._keep
            now = self._clock()
            return [url for url, lease_until in self._known if now < lease_until]

    def _ask(self) -> None:
        asked_at = self._clock()
        try:
            listed = self._choreo.locations(self._service)
            self._known = [(str(each["url"]), asked_at + float(each["leaseSeconds"])) for each in listed]
        except (ChoreoError, KeyError, TypeError, ValueError) as error:
            log.info("the locations of %s stay as they were known: %r", self._service, error)
