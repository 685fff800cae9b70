"""A service as a process: from its environment to SIGTERM."""

import logging
import queue
import signal
import sys
import threading
from uuid import NAMESPACE_URL, uuid5

from choreo_client import Lease

from examples.checkout.base.server import Server
from examples.checkout.base.service import Service
from examples.checkout.base.settings import read_settings

log = logging.getLogger("checkout")


def run(kind: type[Service]) -> None:
    """Serve until SIGTERM or SIGINT, then stop within two seconds."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{kind.name} %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may interrupt itself; an Event's set may deadlock
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stop.put(received))
    service = kind(read_settings(kind.name))
    if not service.settings.webhook_secrets:
        log.warning("CHOREO_WEBHOOK_SECRET is not set: ANYONE MAY CANCEL OR REVERT")
    _serve(service, stop)


def _serve(service: Service, stop: queue.SimpleQueue[int]) -> None:
    server = Server(service)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    service.start()
    lease = _lease(service)
    lease.start()
    log.info("listening on %s", service.settings.public_url)
    stop.get()
    server.shutdown()
    server.server_close()
    lease.close(0.3)
    service.close()


def _lease(service: Service) -> Lease:
    url = service.settings.public_url
    # Derived, so that a restart renews its own location instead of adding another.
    location_id = str(uuid5(NAMESPACE_URL, f"{url}#{service.name}"))
    return Lease(service.choreo, service.name, location_id, url)
