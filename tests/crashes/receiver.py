"""What is outside of Choreo and outlives it: the services, the gateway for text messages, and the mail server.

The services honour the idempotency key: what was done under a key is not done again, and is answered as it was then.
"""

import email
import email.policy
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from choreo_web.ports import free_port
from tests.crashes.story import OUTCOME, PROBE, Story, path


@dataclass(frozen=True)
class Heard:
    """A message that was accepted. A text message has no ID of its own, so there it is what it says."""

    address: str
    message_id: str
    text: str


@dataclass
class Receiver:
    """`effects` counts how often something was undone at a service, by path; `heard` are the messages to people."""

    http_port: int = 0
    smtp_port: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    heard: list[Heard] = field(default_factory=list)
    requests: int = 0
    _left: dict[str, list[int]] = field(default_factory=dict)
    _given: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where the services are."""
        return f"http://127.0.0.1:{self.http_port}"

    def begin(self, story: Story) -> None:
        """Forget what was, and answer as this story says."""
        with self._lock:
            self.effects, self.heard, self.requests = Counter(), [], 0
            self._given = {}
            self._left = {path("pay"): list(story.pay_answers)}
            if story.comes_back:
                self._left |= {path("ship"): [202], OUTCOME: [202, 200]}

    def undo(self, where: str, key: str) -> int:
        """A service is asked to undo something; the status of its answer."""
        with self._lock:
            self.requests += 1
            if (where, key) in self._given:
                return self._given[where, key]
            status = self._next(where)
            if status < 500:  # a failure is nothing to remember
                self._given[where, key] = status
            self.effects[where] += status < 300
            return status

    def look(self, where: str) -> int:
        """A service is asked how it is, or how far it is. Each question brings it nearer to its end."""
        with self._lock:
            self.requests += 1
            return self._next(path("pay") if where == PROBE else where)

    def _next(self, where: str) -> int:
        left = self._left.get(where, [200])
        return left.pop(0) if len(left) > 1 else left[0]

    def hear(self, address: str, message_id: str, text: str) -> None:
        """Somebody gets a message."""
        with self._lock:
            self.requests += 1
            self.heard.append(Heard(address, message_id, text))


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """One on free loopback ports, until the end of the block."""
    receiver = Receiver(smtp_port=free_port())
    mail = Controller(_Mailbox(receiver), hostname="127.0.0.1", port=receiver.smtp_port)
    server = _Server(("127.0.0.1", 0), _handler(receiver))
    receiver.http_port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    mail.start()
    thread.start()
    try:
        yield receiver
    finally:
        mail.stop()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that die are what is being tested."""


class _Mailbox:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        self._receiver.hear(envelope.rcpt_tos[0], mail["Message-ID"], mail["Subject"])
        return "250 OK"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self._answer(receiver.undo(self.path, self.headers["idempotency-key"]), b"")

        def do_GET(self) -> None:
            """A question to a service, or Kannel's sendsms."""
            where, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if where in {PROBE, OUTCOME}:
                return self._answer(receiver.look(where), b"")
            receiver.hear(query["to"][0], query["text"][0], query["text"][0])
            return self._answer(202, b"0: Accepted for delivery")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if status == 202:
                self.send_header("location", OUTCOME)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler
