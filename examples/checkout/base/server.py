"""HTTP in front of a service: events in, cancel and revert in, a look at a task."""

import json
import logging
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from choreo_client import SignatureError, correlated, from_headers
from choreo_client.webhooks import verify

from examples.checkout.base.events import read_event
from examples.checkout.base.ids import canonical_uuid
from examples.checkout.base.problems import (
    BadRequest,
    NotFound,
    ServiceError,
    TooLarge,
    Unauthorized,
    problem,
)
from examples.checkout.base.service import Service
from examples.checkout.base.store import Answer, State

log = logging.getLogger("checkout")

MAX_BODY_BYTES = 65_536
_TASK = re.compile(r"/tasks/(?P<task_id>[^/]+)(/(?P<action>cancel|revert))?")
_EVENT = re.compile(r"/events/(?P<event_id>[^/]+)")


class Handler(BaseHTTPRequestHandler):
    """Routes one request to the service; every failure is answered as a problem."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        """GET /healthz and /tasks/{taskID}."""
        self._answer(self._get)

    def do_PUT(self) -> None:
        """PUT /tasks/{taskID}/cancel and /revert, from Choreo; PUT /events/{ID}, from other services."""
        self._answer(self._put)

    def do_POST(self) -> None:
        """POST /events, from whoever speaks CloudEvents, and what the service itself takes."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news; only what goes wrong is logged."""

    def _get(self) -> Answer:
        if self.path == "/healthz":
            return 200, {"status": "ok", "service": self.server.service.name}
        return self.server.service.describe(self._task("describe"))

    def _put(self) -> Answer:
        if match := _EVENT.fullmatch(self.path):
            return self._receive(unquote(match["event_id"]))
        match = _TASK.fullmatch(self.path)
        if match is None or match["action"] is None:
            raise NotFound("only an event, and a task's /cancel and /revert take a PUT")
        body = self._body()
        self._verify(body)
        task_id = self._uuid_in_path(match["task_id"])
        said = _json_object(body)
        job_id = canonical_uuid(said.get("jobID") or self._correlation.job_id, "jobID")
        key = self.headers.get("idempotency-key", "")
        return self.server.service.withdraw(match["action"], task_id, job_id, key)

    def _post(self) -> Answer:
        if self.path != "/events":
            return self.server.service.post(self.path, _json_object(self._body()))
        return self._receive(None)

    def _receive(self, event_id: str | None) -> Answer:
        event = read_event(self._headers(), _json_object(self._body()))
        if event_id not in (None, event.id):
            raise BadRequest("the URL and ce-id name different events")
        self.server.service.receive(event)
        return 202, {"status": "accepted"}

    def _verify(self, body: bytes) -> None:
        secrets = self.server.service.settings.webhook_secrets
        if not secrets:
            return
        try:
            verify(secrets, self._headers(), body, time.time())
        except SignatureError as error:
            raise Unauthorized(str(error)) from error

    def _answer(self, route: Callable[[], Answer]) -> None:
        self._correlation = from_headers(self._headers())
        try:
            with correlated(self._correlation):
                status, body = route()
        except ServiceError as error:
            status = error.status
            body = problem(status, error.title, str(error))
        except Exception:
            log.exception("%s %s", self.command, self.path)
            status, body = 500, problem(500, "Internal error", "see the service's log")
        self._send(status, body)

    def _send(self, status: int, body: State) -> None:
        content = json.dumps(body).encode()
        kind = "application/problem+json" if status >= 400 else "application/json"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        # The sender's own IDs, in the answer as in the request.
        for name, value in self._correlation.headers().items():
            self.send_header(name, value)
        if status >= 400:
            # Its body may be unread, which would be taken for the next request.
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _headers(self) -> dict[str, str]:
        return dict(self.headers.items())

    def _task(self, verb: str) -> str:
        match = _TASK.fullmatch(self.path)
        if match is None or match["action"] is not None:
            raise NotFound("there is nothing to see here")
        return self._uuid_in_path(match["task_id"])

    def _uuid_in_path(self, text: str) -> str:
        try:
            return canonical_uuid(text, "taskID")
        except BadRequest as error:
            raise NotFound(str(error)) from error

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise BadRequest("content-length is required")
        if len(length) > 9 or int(length) > MAX_BODY_BYTES:
            raise TooLarge(f"at most {MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))


class Server(ThreadingHTTPServer):
    """A service behind its port; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: Service) -> None:
        self.service = service
        super().__init__((service.settings.host, service.settings.port), Handler)


def _json_object(body: bytes) -> State:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value
