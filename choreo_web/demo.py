"""`up --demo`: the four services of `examples/checkout` as processes of their own, and a customer who buys for a while.

Their tokens and ports are kept in the data folder, since jobs of an earlier run name those ports in their URLs. A
service that dies is started again; all of them end with this process, also when it is killed.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import structlog
from django.conf import settings
from django.db import connection

from choreo_web.ports import free_port, is_free
from jobs.services.accounts import authenticate, ensure_service, issue_token
from jobs.services.clock import database_now
from jobs.services.vocabulary import load_terms

log = structlog.get_logger(__name__)

HEARD_BY = {"cart": "tax", "tax": "pay", "pay": "ship", "ship": "cart"}
"""Each service, and the one that reacts to its events."""

_MISBEHAVIOUR = {"JOB_MAX_TTL": "6", "PAY_SLOW_EVERY": "4", "PAY_STUCK_EVERY": "7"}
_CHECKOUT_EVERY_SECONDS = 2.0
_CHECKOUTS = 300
_RESTART_AFTER_SECONDS = 2.0

# Runs a module as `python -m` would, after asking Linux to kill this process when the one that started it is gone; if
# that has happened already, there is no reason to begin. Not SIGTERM: Linux sends it once for each thread that dies,
# and a handler may be caught between two of them.
_CHILD = (
    "import ctypes, os, runpy, sys; parent, module = sys.argv[1:];"
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9);"
    "os.getppid() == int(parent) or sys.exit(); runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


class Demo:
    """The example's processes. All methods are for the main thread: a child lives as long as the thread it came from.

    `url` is where Choreo listens, `say` tells a line to the person at the terminal.
    """

    def __init__(self, url: str, say: Callable[[str], object]) -> None:
        self.url = url
        self.say = say
        self.folder: Path = settings.DATA_DIR / "demo"
        self.places: dict[str, dict[str, str]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started_at: dict[str, float] = {}
        self.stopping = threading.Event()

    def tick(self) -> None:
        """Start what is not running. The first time also settles tokens, ports and the vocabulary."""
        if not self.places:
            self._prepare()
            threading.Thread(target=self._buy, name="customer", daemon=True).start()
        for name in HEARD_BY:
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                self._start(name)

    def stop(self) -> None:
        """Ask the processes to end, by their PIDs."""
        self.stopping.set()
        for process in self.processes.values():
            process.terminate()

    def kill(self) -> None:
        """End those that are still there."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        vocabulary = settings.BASE_DIR / "examples" / "checkout" / "vocabulary.json"
        load_terms(json.loads(vocabulary.read_text()))
        kept = _read_json(self.folder / "services.json")
        self.places = {name: _place(name, kept.get(name, {})) for name in HEARD_BY}
        _write_secret(self.folder / "services.json", json.dumps(self.places))
        connection.close()
        self.say("The demo's cart, tax, pay and ship run; for 10 minutes somebody checks out every 2 seconds.")
        self.say(f"Watch them at {settings.CHOREO_PUBLIC_URL}/admin/jobs/job/ (the services' logs: {self.folder})")

    def _start(self, name: str) -> None:
        if time.monotonic() - self.started_at.get(name, float("-inf")) < _RESTART_AFTER_SECONDS:
            return
        if name in self.processes:
            log.warning("service of the demo died and is started again", service=name)
        self.started_at[name] = time.monotonic()
        with (self.folder / f"{name}.log").open("wb") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(os.getpid()), f"examples.checkout.{name}"],
                cwd=settings.BASE_DIR,
                env=_inherited() | _MISBEHAVIOUR | self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is for the main process, which then stops these
            )

    def _environment(self, name: str) -> dict[str, str]:
        place, subscriber = self.places[name], self.places[HEARD_BY[name]]
        return {
            "CHOREO_URL": self.url,
            "CHOREO_TOKEN": place["token"],
            "CHOREO_WEBHOOK_SECRET": place["webhookSecret"],
            "SERVICE_PORT": place["port"],
            "SERVICE_DATA": str(self.folder / name),
            "SUBSCRIBER_URL": f"http://127.0.0.1:{subscriber['port']}/events",
        }

    def _buy(self) -> None:
        """One checkout after the other. Cart may not be up yet, or again: the next one comes soon."""
        url = f"http://127.0.0.1:{self.places['cart']['port']}/checkouts"
        with httpx.Client(timeout=5, trust_env=False) as customer:
            for number in range(_CHECKOUTS):
                if self.stopping.wait(_CHECKOUT_EVERY_SECONDS):
                    return
                try:
                    customer.post(url, json={"currentPrice": 20.0 + number % 80}).raise_for_status()
                except httpx.HTTPError as error:
                    log.info("checkout not accepted", error=str(error))


def _place(name: str, kept: dict[str, str]) -> dict[str, str]:
    """Token, secret and port of a service: what was kept, as long as it still works."""
    token = kept.get("token", "")
    if not token or authenticate(token, database_now()) is None:
        token = issue_token(name)
    port = kept.get("port", "")
    if not port or not is_free(int(port)):
        port = str(free_port())
    return {"token": token, "webhookSecret": ensure_service(name).webhook_secret, "port": port}


def _inherited() -> dict[str, str]:
    """What the children need of this process' environment: none of Choreo's own settings and secrets."""
    private = ("CHOREO_", "DATABASE_", "REDIS_", "EMAIL_", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(private)}


def _read_json(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}  # not there yet, or spoilt: new tokens and ports will do
    return content if isinstance(content, dict) else {}


def _write_secret(path: Path, text: str) -> None:
    """Replace the file at once and for its owner alone; a crash leaves the old one or the new one."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
