"""A service to call: a real HTTP server on the loopback that answers as each test bids it."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PEM = Path(__file__).with_name("service.test.pem")
"""Certificate and key of service.test, for which nobody vouches."""


@dataclass(frozen=True)
class Received:
    """One request as the service saw it; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """`answers[path]` are played one after the other, the last one for ever; what came in is in `requests`, and what
    was done about it in `effects`: one idempotency key for each."""

    server: ThreadingHTTPServer
    answers: dict[str, list["Behaviour"]] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def url(self, path: str = "/undo") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def plays(self, *behaviours: "Behaviour", path: str = "/undo") -> str:
        """Answer like this at the path; returns its URL."""
        self.answers[path] = list(behaviours)
        return self.url(path)

    def next_behaviour(self, path: str) -> "Behaviour":
        with self.lock:
            queue = self.answers.get(path.partition("?")[0]) or [status(404)]
            return queue.pop(0) if len(queue) > 1 else queue[0]


Behaviour = Callable[[BaseHTTPRequestHandler, Peer], None]


def status(code: int, body: bytes = b"", **headers: str) -> Behaviour:
    """A plain answer; `retry_after="3"` becomes the header Retry-After."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if code != 204:
            handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return play


def raw(data: bytes) -> Behaviour:
    """Exactly these bytes, whatever they are."""
    return lambda handler, peer: _write(handler, data)


def drip(head: bytes, drop: bytes) -> Behaviour:
    """First `head`, then `drop` again and again: each read gets something soon, and it never ends."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        with suppress(OSError):
            handler.connection.sendall(head)
            while not peer.over.wait(0.02):
                handler.connection.sendall(drop)

    return play


def hang(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
    """Take the request, and never answer."""
    peer.over.wait(30)


def reset(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
    """Break the connection off with a TCP reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def undoes(then: Behaviour) -> Behaviour:
    """Do what is asked for, once for each idempotency key as the contract has it, and only then behave like this."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        key = handler.headers["idempotency-key"]
        with peer.lock:
            if key not in peer.effects:
                peer.effects.append(key)
        then(handler, peer)

    return play


def held_open(head: bytes) -> Behaviour:
    """Exactly these bytes, and then the connection stays open in silence."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        _write(handler, head)
        peer.over.wait(30)

    return play


def behind_tls(peer: Peer) -> ssl.SSLContext:
    """From now on the peer speaks TLS, as service.test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    peer.server.socket = context.wrap_socket(peer.server.socket, server_side=True, do_handshake_on_connect=False)
    return context


def _write(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    with suppress(OSError):  # the caller hangs up when it has enough
        handler.connection.sendall(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that hang up are what is being tested."""


@contextmanager
def running_peer() -> Iterator[Peer]:
    """A peer on a free port, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            peer.connections.append(str(self.client_address))
            super().setup()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with peer.lock:
                peer.requests.append(Received(self.command, self.path, headers, body))
            peer.next_behaviour(self.path)(self, peer)
            self.close_connection = True

        do_PUT = do_GET = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    peer = Peer(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
