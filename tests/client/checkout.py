"""The example's four processes on free ports, told of each other as a person would tell them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from choreo_client.webhooks import signed_headers

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw=="
NEXT = {"cart": "tax", "tax": "pay", "pay": "ship", "ship": "cart"}


class Checkout:
    """Starts, kills and asks the processes; `NEXT` is known here and nowhere in them."""

    def __init__(self, choreo_url: str, data: Path, **environ: str) -> None:
        self.ports = dict(zip(NEXT, _free_ports(len(NEXT)), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.data = data
        self.next = NEXT
        self.http = httpx.Client(timeout=5, trust_env=False)
        self.environ = {"CHOREO_URL": choreo_url, "CHOREO_TOKEN": "t", "CHOREO_WEBHOOK_SECRET": SECRET, **environ}

    def start(self, *names: str) -> None:
        """Start these processes and wait until they listen."""
        for name in names:
            environ = {
                "SERVICE_PORT": str(self.ports[name]),
                "SUBSCRIBER_URL": self.url(self.next[name], "/events"),
                "SERVICE_DATA": str(self.data / name),
            }
            command = [sys.executable, "-m", f"examples.checkout.{name}"]
            everything = {**os.environ, **self.environ, **environ}
            log = (self.data / f"{name}.log").open("ab")
            with log:
                self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=everything, stderr=log)
        for name in names:
            self._await_health(name)

    def kill(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()

    def url(self, name: str, path: str) -> str:
        """An address of a service."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def buy(self, price: float = 100.0) -> str:
        """Begin a checkout: its jobID."""
        reply = self.http.post(self.url("cart", "/checkouts"), json={"currentPrice": price})
        assert reply.status_code == 202
        return str(reply.json()["jobID"])

    def task(self, name: str, task_id: str) -> dict[str, Any] | None:
        """What a service says of a task."""
        reply = self.http.get(self.url(name, f"/tasks/{task_id}"))
        return None if reply.status_code == 404 else dict(reply.json())

    def call(self, name: str, action: str, job_id: str, task_id: str, key: str = "") -> httpx.Response:
        """Cancel or revert, as Choreo would."""
        body = json.dumps({"jobID": job_id, "taskID": task_id, "action": action, "reason": "test"}).encode()
        headers = {"idempotency-key": key or str(uuid4()), "correlation-id": job_id, "request-id": task_id}
        return self.put_signed(self.url(name, f"/tasks/{task_id}/{action}"), headers, body)

    def put_signed(self, url: str, headers: dict[str, str], body: bytes, secret: str = SECRET) -> httpx.Response:
        """A signed PUT."""
        signed = signed_headers([secret], str(uuid4()), int(time.time()), body)
        return self.http.put(url, headers={**headers, **signed}, content=body)

    def stop(self) -> dict[str, int]:
        """SIGTERM to all that run: their exit codes, each within the two seconds promised (and some for CI)."""
        running = {n: p for n, p in self.processes.items() if p.poll() is None}
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(5) for name, process in running.items()}

    def close(self) -> None:
        """Leave nothing running."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.http.close()

    def _await_health(self, name: str, timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                assert self.http.get(self.url(name, "/healthz")).json() == {"status": "ok", "service": name}
                return
            except httpx.ConnectError:
                assert self.processes[name].poll() is None, (self.data / f"{name}.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.03)  # another process is starting; nothing here could tell when it has


@contextmanager
def checkout(choreo_url: str, data: Path, **environ: str) -> Iterator[Checkout]:
    """The four, none of them started yet."""
    made = Checkout(choreo_url, data, **environ)
    try:
        yield made
    finally:
        made.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
