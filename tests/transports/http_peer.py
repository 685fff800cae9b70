"""A small HTTP server that answers as it is told, for contracts of providers that cannot be run here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class Peer:
    """`answers` are (status, body, headers) for one request each; the last one stays. `hang` holds all of them up."""

    url: str = ""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    hang: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """From now on."""
        self.answers = [(status, body, headers)]


@contextmanager
def http_peer() -> Iterator[Peer]:
    """Run one on a free loopback port."""
    peer = Peer()
    server = _Server(("127.0.0.1", 0), _handler(peer))
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: callers that hang up early are part of the tests."""


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            peer.asked.append(Asked(self.command, self.path, headers, form))
            if peer.hang:
                peer.released.wait(30)
                return
            status, answer, more = peer.answers.pop(0) if len(peer.answers) > 1 else peer.answers[0]
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            """Nothing: the tests look at `asked`."""

    return Handler
