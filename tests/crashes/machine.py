"""The test's end: one fork server on a database of its own, and the receiver that outlives every crash."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from choreo_web.settings import BASE_DIR
from tests import servers
from tests.crashes.judge import Finding, judge
from tests.crashes.orders import Facts, Kill, Life, Order
from tests.crashes.receiver import Receiver, running_receiver
from tests.crashes.story import STORIES

RESTART = 1.0
"""Seconds from a death until the next life begins."""
_OURS = ("CHOREO_", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DJANGO_SETTINGS_MODULE")


@dataclass(frozen=True)
class Run:
    """A story that was played through: its lives, the last of which came to its end, and what was wrong then."""

    lives: list[Life]
    findings: list[Finding]

    @property
    def points(self) -> list[str]:
        """What the first life came by."""
        return self.lives[0].points


class Machine:
    """Plays stories, one after the other."""

    def __init__(self, server: "subprocess.Popen[str]", log: Path, receiver: Receiver) -> None:
        self._server = server
        self._log = log
        self.receiver = receiver

    def play(self, story: str, kills: Sequence[Kill] = (), fault: str = "") -> Run:
        """From an empty database through every kill to the end. A kill whose point a life never reaches is left out,
        so the last life may come before the last kill."""
        self.receiver.begin(STORIES[story])
        lives: list[Life] = []
        for kill in (*kills, None):
            at = lives[-1].at + RESTART if lives else 0.0
            life = self._live(Order(story, self.receiver.url, fresh=not lives, at=at, kill=kill, fault=fault))
            lives.append(life)
            if life.facts is not None:
                findings = judge(STORIES[story], life.facts, self.receiver, deaths=len(lives) - 1)
                return Run(lives, findings)
        raise AssertionError("The last life is killed by nobody, and yet has left no facts.")

    def migrate(self) -> None:
        """Make the tables."""
        self._ask({"migrate": True})

    def _live(self, order: Order) -> Life:
        answer = self._ask(order.to_json())
        facts = Facts.from_json(answer["facts"]) if answer["facts"] else None
        return Life(answer["points"], answer["at"], facts)

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        """One order, one answer. A child may end well, or by the very kill that was asked for; nothing else."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(line) + "\n")
        self._server.stdin.flush()
        reply = self._server.stdout.readline()
        answer: dict[str, Any] = json.loads(reply) if reply else {"exit": "nothing"}
        if answer["exit"] not in ({0, -9} if line.get("kill") else {0}):
            raise RuntimeError(f"The child ended with {answer['exit']}:\n{self._log.read_text()[-5000:]}")
        return answer


@contextmanager
def machine(folder: Path, database_url: str) -> Iterator[Machine]:
    """One machine, with its fork server running; its database has to be there, with or without tables."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        receiver = stack.enter_context(running_receiver())
        log = folder / "log"
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.runner"],
            cwd=BASE_DIR,
            env=_environment(folder, database_url, receiver),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("wb")),
        )
        stack.callback(_end, server)
        yield Machine(server, log, receiver)


@contextmanager
def machines(folder: Path, postgres_url: str = "", count: int = 2) -> Iterator[list[Machine]]:
    """Some of them, each with tables of its own: on that PostgreSQL, or on SQLite."""
    with ExitStack() as stack:
        made: list[Machine] = []
        for number in range(count):
            url = f"sqlite:///{folder / str(number) / 'choreo.sqlite3'}"
            if postgres_url:
                url = stack.enter_context(servers.database(postgres_url, f"crashes_{secrets.token_hex(6)}"))
            made.append(stack.enter_context(machine(folder / str(number), url)))
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Machine.migrate, made))
        yield made


def _environment(folder: Path, database_url: str, receiver: Receiver) -> dict[str, str]:
    """Choreo's settings, and nothing of what this test run or a developer has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "choreo_web.settings",
        "DATABASE_URL": database_url,
        "EMAIL_URL": f"smtp://127.0.0.1:{receiver.smtp_port}",
        "CHOREO_SMS_URL": f"kannel://choreo:secret@127.0.0.1:{receiver.http_port}/?from=Choreo",
        "CHOREO_DATA_DIR": str(folder),
        "CHOREO_ALLOW_PRIVATE_CALLBACKS": "true",
        "CHOREO_LOG_LEVEL": "ERROR",
    }


def _end(server: "subprocess.Popen[str]") -> None:
    """It ends with its input."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.wait(timeout=30)
    server.stdout.close()
