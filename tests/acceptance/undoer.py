"""A service that can be told to undo: it keeps every call that reaches it, and what came of it."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Undoer:
    """An HTTP server on a port of its own. PUT /ok/… undoes, /no/… refuses (409), /slow/… undoes when `release` is
    set. `keys` holds the idempotency keys of the calls to each path, `effects` what was undone, by path."""

    def __init__(self) -> None:
        self.keys: defaultdict[str, list[str]] = defaultdict(list)
        self.effects: defaultdict[str, set[str]] = defaultdict(set)
        self.release = threading.Event()
        self.waiting = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def call(self, path: str, key: str) -> int:
        """Undo what `path` stands for, once for each key, and say so with a status code."""
        self.keys[path].append(key)
        if path.startswith("/slow/"):
            self.waiting.set()
            self.release.wait(20)
        if path.startswith("/no/"):
            return 409
        self.effects[path].add(key)
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        undoer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status = undoer.call(self.path, self.headers["idempotency-key"])
                body = json.dumps({"undone": status == 200}).encode()
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the caller was killed meanwhile, which is what some tests are about

            def log_message(self, format: str, *args: object) -> None:
                """The test looks at what was called, not at a log."""

        return Handler
