"""Keep a service's location in the registry alive while the service is."""

import logging
import threading

from choreo_client.api import Choreo
from choreo_client.errors import ChoreoError

log = logging.getLogger("choreo_client")


class Lease:
    """Renews a location's lease every third of its length, in a daemon thread.

    Best effort: a renewal that fails is logged, and the next one comes in its time.
    """

    def __init__(
        self,
        choreo: Choreo,
        service: str,
        location_id: str,
        url: str,
        lease_seconds: int = 30,
    ) -> None:
        self._choreo = choreo.once()
        self._service = service
        self._location_id = location_id
        self._url = url
        self._lease_seconds = lease_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Register at once, and go on renewing."""
        self._thread.start()

    def close(self, timeout: float = 0.5) -> None:
        """Stop renewing and withdraw the location; the wait is bounded by `timeout`."""
        self._stop.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._renew()
            self._stop.wait(self._lease_seconds / 3)
        self._withdraw()

    def _renew(self) -> None:
        try:
            self._choreo.put_location(
                self._service,
                self._location_id,
                self._url,
                lease_seconds=self._lease_seconds,
            )
        except ChoreoError as error:
            log.info("the lease of %s is not renewed: %s", self._service, error)

    def _withdraw(self) -> None:
        try:
            self._choreo.delete_location(self._service, self._location_id)
        except ChoreoError as error:
            log.info("the lease of %s will run out by itself: %s", self._service, error)
