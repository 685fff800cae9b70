"""Choreo's own processes, as a user starts them, for tests that look at them from outside only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from choreo_web.ports import free_port
from choreo_web.settings import BASE_DIR
from tests.servers import end_with_parent, stop

FIRST_JOB = BASE_DIR / "docs" / "first-job.sh"
START_SECONDS = 40.0
"""Two cores may be busy with the other half of the tests."""


def eventually[T](look: Callable[[], T], what: str, seconds: float = START_SECONDS) -> T:
    """What `look` returns once that is truthy; AssertionError with the last answer when the time is over."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}; last: {found!r}"
        time.sleep(0.1)
    return found


class Choreo:
    """An installation: its environment (data folder, database, broker), its port, and the processes that run it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = _inherited() | {
            "CHOREO_DATA_DIR": str(folder / "data"),
            "CHOREO_ADMIN_PASSWORD": "correct-horse",
            **environment,
        }
        self.log = folder / "log"
        self.clients: list[httpx.Client] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.http = self.client()

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process of this installation, by the arguments to Python; its output goes to `log`."""
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=BASE_DIR,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that nothing which it forked is left behind
                preexec_fn=end_with_parent(),
            )
        self.processes.append(process)
        return process

    def up(self, *options: str) -> subprocess.Popen[bytes]:
        """`manage.py up` on this installation's port; returns when it is ready."""
        process = self.start("manage.py", "up", "--port", str(self.port), *options)
        eventually(lambda: self.is_ready(process), "/readyz is 200")
        return process

    def start_three(
        self, *worker_options: str, environments: Mapping[str, Mapping[str, str]] | None = None
    ) -> dict[str, subprocess.Popen[bytes]]:
        """Web, worker and beat as in production, on a migrated database; returns when it is ready.

        `environments` holds what one of the three has in its environment beside the rest.
        """
        self.environment["CHOREO_PUBLIC_URL"] = self.url
        self.manage("migrate")
        celery = ["-m", "celery", "-A", "choreo_web"]
        granian = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port)]
        commands = {
            "web": [*granian, "--blocking-threads", "4", "choreo_web.wsgi:application"],
            "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "WARNING", *worker_options],
            "beat": [*celery, "beat", "--loglevel", "WARNING"],
        }
        own = environments or {}
        started = {name: self.start(*command, **own.get(name, {})) for name, command in commands.items()}
        eventually(lambda: self.is_ready(*started.values()), "/readyz is 200")
        return started

    def is_ready(self, *processes: subprocess.Popen[bytes]) -> bool:
        """Does /readyz say 200? AssertionError with the log when one of the processes is gone."""
        for process in processes:
            assert process.poll() is None, f"ended with {process.returncode}:\n{self.log.read_text()}"
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def manage(self, *command: str) -> str:
        """What a management command prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def service(self, name: str) -> httpx.Client:
        """The API as this service sees it."""
        client = self.client("/api/v1")
        client.headers["authorization"] = f"Bearer {self.manage('issue_token', name)}"
        return client

    def client(self, path: str = "", **options: Any) -> httpx.Client:
        """An HTTP client for what is below `path`, closed with the installation."""
        self.clients.append(httpx.Client(base_url=self.url + path, timeout=10, trust_env=False, **options))
        return self.clients[-1]

    def end(self) -> None:
        """End every process that is still there."""
        for client in self.clients:
            client.close()
        for process in self.processes:
            if process.poll() is None:
                stop(process)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def installation(folder: Path, **environment: str) -> Iterator[Choreo]:
    """An installation whose processes end with the block."""
    choreo = Choreo(folder, **environment)
    try:
        yield choreo
    finally:
        choreo.end()


def put(api: httpx.Client, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """PUT that has to succeed."""
    answer = api.put(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    document: dict[str, Any] = answer.json()
    return document


def first_job(choreo: Choreo) -> dict[str, Any]:
    """Run the README's checkout with curl; the progress that it prints last."""
    token = choreo.manage("issue_token", "shop", "--scope", "vocabulary")
    environment = choreo.environment | {"CHOREO_URL": choreo.url, "CHOREO_TOKEN": token}
    run = subprocess.run(["bash", str(FIRST_JOB)], env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    progress: dict[str, Any] = json.loads(run.stdout[run.stdout.rindex('{"jobID"') :])
    return progress


def _inherited() -> dict[str, str]:
    """This process' environment without any setting of Choreo's or of the test run's."""
    ours = ("CHOREO_", "DATABASE_", "REDIS_", "EMAIL_", "DJANGO_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
