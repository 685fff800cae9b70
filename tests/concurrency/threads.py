"""Real threads that meet at real rows, and requests through Choreo's whole WSGI stack that any of them may send."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from jobs.domain.errors import ChoreoError
from jobs.services.accounts import issue_token


def at_once(*works: Callable[[], Any], seconds: float = 60) -> list[Any]:
    """Run each work in a thread of its own, connected and then let go at the same moment; results or refusals in
    order. Whatever else a work raises is raised here, and so is that one takes longer than `seconds`."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def one(position: int, work: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(seconds)
            results[position] = work()
        except Exception as error:
            results[position] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a thread hangs: a deadlock?"
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ChoreoError):
            raise result
    return results


def later(steps: int, work: Callable[[], Any]) -> Callable[[], Any]:
    """`work` after so many round trips to the database: who has more of them mostly comes second."""

    def run() -> Any:
        with connection.cursor() as cursor:
            for _ in range(steps):
                cursor.execute("SELECT 1")
        return work()

    return run


@contextmanager
def kept_connections() -> Iterator[None]:
    """Let each thread keep its connection from request to request, as a server's threads do; a test's threads close
    theirs themselves."""
    settings = connection.settings_dict
    before = {name: settings[name] for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS")}
    settings |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
    connection.close()
    try:
        yield
    finally:
        settings |= before
        connection.close()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The slug of the problem that this is; empty for anything else."""
        return str(json.loads(self.body)["type"]).rpartition("/")[2] if self.status >= 400 else ""


class Wire:
    """Choreo's WSGI application, every middleware included, without the socket in front of it."""

    def __init__(self) -> None:
        self._application = WSGIHandler()
        self._tokens: dict[str, str] = {}

    def know(self, *services: str) -> None:
        """Give these services tokens; before the threads begin."""
        self._tokens |= {service: issue_token(service) for service in services}

    def put(self, service: str, path: str, members: Any, **headers: str) -> Answer:
        """PUT JSON, as this service. Paths are relative to /api/v1/; `if_match` is the header If-Match."""
        return self.send("PUT", service, path, json.dumps(members).encode(), **headers)

    def send(self, method: str, service: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One exchange."""
        started: dict[str, Any] = {}

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            started.update(status=int(status.split()[0]), headers=dict(headers))
            return lambda data: None

        response = self._application(self._environ(method, service, path, body, headers), start_response)
        content = b"".join(response)
        response.close()
        return Answer(**started, body=content)

    def _environ(self, method: str, service: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        return {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/api/v1/{path}",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_AUTHORIZATION": f"Bearer {self._tokens[service]}",
            "CONTENT_TYPE": "application/json" if body else "",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        } | {f"HTTP_{name.upper()}": value for name, value in headers.items()}
