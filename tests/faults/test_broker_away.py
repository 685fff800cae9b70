"""Valkey is away for a minute, killed or frozen: nobody is refused, nothing is late, and the workers come back."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from choreo_web.ports import free_port
from tests import servers
from tests.acceptance.choreo import Choreo, eventually, installation
from tests.acceptance.undoer import Undoer
from tests.faults.scene import Answers, Observer, pause, writing

pytestmark = [pytest.mark.proof, pytest.mark.timeout(400)]

AWAY_SECONDS = 60
BACK_SECONDS = 15.0
LATE_SECONDS = 10.0
SLOW_SECONDS = 3.0
LOSSES = 4

type Fault = tuple[Callable[[servers.Valkey], None], Callable[[servers.Valkey], None]]


def kill(valkey: servers.Valkey) -> None:
    valkey.stop(signal.SIGKILL)


def start(valkey: servers.Valkey) -> None:
    valkey.start()  # empty: every queue and binding is gone


def freeze(valkey: servers.Valkey) -> None:
    os.kill(valkey.process.pid, signal.SIGSTOP)


def thaw(valkey: servers.Valkey) -> None:
    os.kill(valkey.process.pid, signal.SIGCONT)


FAULTS: dict[str, Fault] = {"killed": (kill, start), "frozen": (freeze, thaw)}


@dataclass(frozen=True)
class Report:
    """What was seen of one outage; `back` are the seconds until the workers had made every sweep again."""

    answers: Answers
    lateness: dict[str, list[float]]
    back: float
    readiness: tuple[int, str, float]
    calls: list[int]

    def told(self) -> str:
        """The numbers, in a line."""
        late = ", ".join(f"{what} ({len(all_)}) after {max(all_):.1f} s" for what, all_ in self.lateness.items())
        slowest = f"slowest of {len(self.answers.statuses)} writes {self.answers.slowest:.2f} s"
        return f"{slowest}; at most: {late}; workers back after {self.back:.1f} s; /readyz {self.readiness}"


def outage(fault: Fault, pool: str, folder: Path, database_url: str) -> Report:
    """An installation of its own that loses its Valkey for a minute, while a client goes on writing."""
    go, come = fault
    folder.mkdir()
    observer = Observer(database_url)
    with servers.restartable_valkey(free_port()) as valkey, Undoer() as undoer:
        environment = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "CHOREO_ALLOW_PRIVATE_CALLBACKS": "true"}
        with installation(folder, **environment) as choreo:
            choreo.start_three("--pool", pool)
            with writing(choreo.service("cart"), undoer.url) as client:
                pause(5)
                go(valkey)
                pause(AWAY_SECONDS)
                readiness = ready(choreo)
                back = return_of(valkey, come, observer)
                eventually(lambda: choreo.http.get("/readyz").status_code == 200, "/readyz is 200")
            eventually(lambda: observer.open_jobs() == 0, "every job has ended")
            eventually(lambda: len(undoer.keys) == client.answers.jobs, "every task's service was called")
            eventually(lambda: len(observer.lateness()["people called"]) == client.answers.refused, "people are called")
            calls = [len(keys) for keys in undoer.keys.values()]
            return Report(client.answers, observer.lateness(), back, readiness, calls)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_workers_come_back_each_time_with_tasks_under_way(pool: str, tmp_path: Path, fresh_database: str) -> None:
    """A mail server that hangs keeps a sweep running across each loss: its acknowledgement finds no connection."""
    observer = Observer(fresh_database)
    with (
        servers.restartable_valkey(free_port()) as valkey,
        socket.create_server(("127.0.0.1", 0), backlog=100) as hanging,
        Undoer() as undoer,
        installation(
            tmp_path,
            DATABASE_URL=fresh_database,
            REDIS_URL=valkey.url,
            EMAIL_URL=f"smtp://127.0.0.1:{hanging.getsockname()[1]}",
            CHOREO_ALLOW_PRIVATE_CALLBACKS="true",
        ) as choreo,
    ):
        processes = choreo.start_three("--pool", pool)
        with writing(choreo.service("cart"), undoer.url) as client:
            for _ in range(LOSSES):
                pause(4)
                valkey.stop(signal.SIGKILL)
                pause(4)
                back = return_of(valkey, start, observer)
                print(f"\n{pool}: back after {back:.1f} s")
                assert back <= BACK_SECONDS
        assert client.answers.failed() == set()
        assert all(process.poll() is None for process in processes.values())


def return_of(valkey: servers.Valkey, come: Callable[[servers.Valkey], None], observer: Observer) -> float:
    """Let it come back; the seconds until the workers have made every sweep again."""
    moment, begun = observer.now(), time.monotonic()
    come(valkey)
    eventually(lambda: observer.swept_since(moment), "the workers sweep again", 2 * BACK_SECONDS)
    return time.monotonic() - begun


def ready(choreo: Choreo) -> tuple[int, str, float]:
    """Status of /readyz, what it says of the broker, and after how many seconds it did."""
    begun = time.monotonic()
    answer: httpx.Response = choreo.http.get("/readyz")
    return answer.status_code, answer.json()["checks"]["broker"], time.monotonic() - begun


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_without_a_broker_nothing_is_refused_late_or_lost(pool: str, tmp_path: Path, postgres_url: str) -> None:
    def run(name: str) -> Report:
        with servers.database(postgres_url, f"choreo_{secrets.token_hex(6)}") as url:
            return outage(FAULTS[name], pool, tmp_path / name, url)

    with ThreadPoolExecutor() as both:
        reports = dict(zip(FAULTS, both.map(run, FAULTS), strict=True))
    for name, report in reports.items():
        print(f"\n{pool}, {name}: {report.told()}")
        check(report)


def check(report: Report) -> None:
    """Every number that was promised."""
    assert report.answers.failed() == set()
    assert report.answers.slowest < SLOW_SECONDS
    assert report.answers.jobs >= AWAY_SECONDS / 2
    assert set(report.calls) == {1}
    assert min(report.lateness["jobs cancelled"]) >= 0
    for what, seconds in report.lateness.items():
        assert max(seconds) <= LATE_SECONDS, what
    assert report.back <= BACK_SECONDS
    status, broker, seconds_to_tell = report.readiness
    assert (status, broker) == (503, "does not answer")
    assert seconds_to_tell < SLOW_SECONDS
