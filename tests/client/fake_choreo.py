"""As much of Choreo as a client can tell from the outside, in memory."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from choreo_client import merge_patch

Reply = tuple[int, dict[str, str], Any]


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


Script = Callable[[Seen], Reply | Exception | None]


class FakeChoreo:
    """Jobs, tasks, shared state with ETags; `script` answers before anything else does."""

    def __init__(self) -> None:
        self.url = "http://choreo.test"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, dict[str, Any]]] = {}
        self.states: dict[str, tuple[dict[str, Any], int]] = {}
        self.leases: dict[str, dict[str, dict[str, Any]]] = {}
        self.seen: list[Seen] = []
        self.script: list[Script] = []
        self.changed = threading.Condition()

    def transport(self) -> httpx.MockTransport:
        """To be reached without a port."""
        return httpx.MockTransport(self._mock)

    def wait_until(self, happened: Callable[[], bool], timeout: float = 20.0) -> bool:
        """Wait for a request to make something true."""
        with self.changed:
            return self.changed.wait_for(happened, timeout)

    def job_status(self, job_id: str) -> str | None:
        """A job's status, None before its PUT."""
        return self.jobs.get(job_id, {}).get("jobStatus")

    def task_named(self, job_id: str, name: str) -> tuple[str, dict[str, Any]] | None:
        """A job's task by name, with its ID."""
        tasks = self.tasks.get(job_id, {})
        return next((i for i in tasks.items() if i[1]["taskName"] == name), None)

    def state(self, job_id: str) -> dict[str, Any]:
        """A job's shared state."""
        return self.states[job_id][0]

    def handle(self, seen: Seen) -> Reply | Exception:
        """Answer one request."""
        with self.changed:
            self.seen.append(seen)
            scripted = self.script.pop(0)(seen) if self.script else None
            reply = scripted if scripted is not None else self._route(seen)
            self.changed.notify_all()
        return reply

    def _route(self, seen: Seen) -> Reply:
        match seen.path.removeprefix("/api/v1/").split("/"):
            case ["services", service, "locations", *_]:
                return self._location(seen, service)
            case ["jobs", job_id]:
                return self._job(seen, job_id)
            case ["jobs", job_id, *_] if job_id not in self.jobs:
                return problem(404, "not-found")
            case ["jobs", job_id, "tasks", task_id]:
                return self._task(seen, job_id, task_id)
            case ["jobs", job_id, "shared-state"]:
                return self._state(seen, job_id)
            case ["jobs", job_id, "progress"]:
                return self._progress(seen, job_id)
            case ["jobs", job_id, "cancellation"]:
                self.jobs[job_id]["jobStatus"] = "cancelling"
                return 202, {}, {}
            case ["jobs", _, "error-reports", _]:
                return 201, {}, seen.body
        return problem(404, "not-found")

    def _location(self, seen: Seen, service: str) -> Reply:
        leases = self.leases.setdefault(service, {})
        if seen.method == "GET":
            return 200, {}, {"locations": list(leases.values())}
        if seen.method == "DELETE":
            leases.pop(seen.path, None)
            return 204, {}, None
        leases[seen.path] = seen.body
        return 200, {}, seen.body

    def _job(self, seen: Seen, job_id: str) -> Reply:
        self.states.setdefault(job_id, ({}, 1))
        before = self.jobs.get(job_id, {})
        merged = merge_patch(before, seen.body) if seen.method == "PATCH" else seen.body
        self.jobs[job_id] = merged
        return 200, {}, {"jobID": job_id, **merged}

    def _task(self, seen: Seen, job_id: str, task_id: str) -> Reply:
        if self.job_status(job_id) in ("cancelling", "cancelled"):
            return problem(409, "job-cancelled")
        tasks = self.tasks.setdefault(job_id, {})
        before = tasks.get(task_id, {})
        tasks[task_id] = merge_patch(before, seen.body) if seen.method == "PATCH" else seen.body
        return 200, {}, {"taskID": task_id, **tasks[task_id]}

    def _state(self, seen: Seen, job_id: str) -> Reply:
        value, version = self.states[job_id]
        tag = {"etag": f'"s{version}"'}
        if seen.method == "GET":
            return 200, tag, value
        if "if-match" not in seen.headers:
            return problem(428, "precondition-required")
        if seen.headers["if-match"] != tag["etag"]:
            return problem(412, "precondition-failed", tag)
        merged = merge_patch(value, seen.body) if seen.method == "PATCH" else seen.body
        self.states[job_id] = (merged, version + 1)
        return 200, {"etag": f'"s{version + 1}"'}, merged

    def _progress(self, seen: Seen, job_id: str) -> Reply:
        tag = f'"p-{self.job_status(job_id)}"'
        if seen.headers.get("if-none-match") == tag:
            return 304, {"etag": tag}, None
        return 200, {"etag": tag}, {"jobID": job_id, "tasks": []}

    def _mock(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        seen = Seen(request.method, request.url.path, request.headers, body)
        reply = self.handle(seen)
        if isinstance(reply, Exception):
            raise reply
        status, headers, value = reply
        content = b"" if value is None else json.dumps(value).encode()
        return httpx.Response(status, headers=headers, content=content)


def problem(status: int, code: str, headers: Mapping[str, str] | None = None) -> Reply:
    """A problem answer of Choreo's."""
    kind = f"http://choreo.test/problems/{code}"
    return status, dict(headers or {}), {"type": kind, "status": status, "title": code}


def answer(status: int, **headers: str) -> Callable[[Seen], Reply]:
    """A scripted problem answer; header names with `_` for `-`."""
    given = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda _: problem(status, "scripted", given)


def no_answer(_: Seen) -> Exception:
    """A scripted refused connection."""
    return httpx.ConnectError("refused")


@contextmanager
def serve(choreo: FakeChoreo) -> Iterator[FakeChoreo]:
    """Put a fake behind a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {k.lower(): v for k, v in self.headers.items()}
            body = json.loads(content) if content else None
            reply = choreo.handle(Seen(self.command, self.path, headers, body))
            if isinstance(reply, Exception):
                self.close_connection = True
                return
            self._send(*reply)

        def _send(self, status: int, headers: dict[str, str], value: Any) -> None:
            content = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    choreo.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield choreo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
