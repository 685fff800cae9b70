"""The outbox: in order per job, nothing lost, nothing blocked. Time is a number that the tests move."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from choreo_client import (
    Choreo,
    Correlation,
    Entry,
    Expired,
    Lease,
    Outbox,
    Problem,
    ReplayQueue,
    TryAgain,
    correlated,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.fake_choreo import FakeChoreo, Reply, Script, Seen, answer, no_answer

JOBS = [f"0b4b2a8e-2f5c-4f0e-9c65-0d1c0f0a000{n}" for n in range(3)]
JOB = JOBS[0]
TASK = "0b4b2a8e-2f5c-4f0e-9c65-0d1c0f0b0000"


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Still:
    """An outbox without a thread, whose every outcome is recorded."""

    def __init__(self, fake: FakeChoreo, path: Path | None = None, max_entries: int = 100) -> None:
        self.clock = Clock()
        self.refused: list[tuple[Entry, Exception]] = []
        self.outbox = Outbox(
            Choreo(fake.url, "t", transport=fake.transport()),
            path,
            clock=self.clock,
            rng=lambda: 1.0,
            start=False,
            on_refused=lambda entry, error: self.refused.append((entry, error)),
            max_entries=max_entries,
        )

    def drain(self, rounds: int = 1000) -> None:
        """Deliver, moving the clock on to whatever is due next, until nothing waits."""
        for _ in range(rounds):
            delay = self.outbox.pump()
            if delay is None:
                return
            self.clock.now += delay
        raise AssertionError("it never ends")


@pytest.fixture
def still(fake: FakeChoreo) -> Iterator[Still]:
    made = Still(fake)
    with closing(made.outbox):
        yield made


class Recording(FakeChoreo):
    """Notes the number of each report that it took, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[tuple[str, int]] = []

    def _route(self, seen: Seen) -> Reply:
        self.accepted.append((seen.path.rpartition("/")[2], int(seen.body["jobName"])))
        return super()._route(seen)


def scripted(kind: str | int) -> Script:
    """One of the ways an attempt may end."""
    if isinstance(kind, int):
        return answer(kind)
    return no_answer if kind == "down" else lambda _: None


reports = st.lists(st.sampled_from(JOBS), min_size=1, max_size=12)
outcomes = st.lists(st.sampled_from(["ok", "down", 500, 503, 429, 404, 412, 401]), max_size=30)


@given(reports, outcomes)
@settings(max_examples=60)
def test_every_report_arrives_in_order_per_job_whatever_fails_meanwhile(jobs: list[str], fate: list[str | int]) -> None:
    fake = Recording()
    fake.script = [scripted(kind) for kind in fate]
    still = Still(fake)
    for number, job in enumerate(jobs):
        assert still.outbox.put_job(job, {"jobName": str(number)})
    with closing(still.outbox):
        still.drain()
    assert sorted(n for _, n in fake.accepted) == list(range(len(jobs)))
    for job in JOBS:
        assert [n for j, n in fake.accepted if j == job] == [n for n, j in enumerate(jobs) if j == job]
    assert not still.refused


def test_one_jobs_trouble_does_not_hold_up_the_others(still: Still, fake: FakeChoreo) -> None:
    fake.script = [answer(500)]
    still.outbox.put_job(JOBS[0], {"jobName": "poison"})
    still.outbox.put_job(JOBS[1], {"jobName": "fine"})
    assert still.outbox.pump() == 1.0
    assert list(fake.jobs) == [JOBS[1]]


def test_waits_grow_to_a_ceiling_and_honour_retry_after(still: Still, fake: FakeChoreo) -> None:
    fake.script = [no_answer] * 7 + [answer(503, retry_after="100")]
    still.outbox.put_job(JOB, {"jobName": "j"})
    waits = []
    while (delay := still.outbox.pump()) is not None:
        waits.append(delay)
        still.clock.now += delay
    assert waits == [1, 2, 4, 8, 16, 30, 30, 100]


def test_what_choreo_refuses_is_told_and_not_repeated(still: Still, fake: FakeChoreo) -> None:
    fake.script = [answer(422)]
    still.outbox.put_job(JOB, {"jobName": ""})
    still.outbox.put_job(JOB, {"jobName": "next"})
    still.drain()
    [(entry, error)] = still.refused
    assert (entry.key, entry.kind) == (JOB, "put_job")
    assert isinstance(error, Problem)
    assert fake.jobs[JOB]["jobName"] == "next"


def test_a_report_outlives_an_outage_but_not_its_deadline(still: Still, fake: FakeChoreo) -> None:
    fake.script = [no_answer] * 100_000
    still.outbox.put_job(JOB, {"jobName": "j"})
    begun = still.clock.now
    still.drain(rounds=10_000)
    [(_, error)] = still.refused
    assert isinstance(error, Expired)
    assert 86_300 < still.clock.now - begun <= 86_400


def test_a_callback_that_fails_stops_nothing(fake: FakeChoreo) -> None:
    def fail(entry: Entry, error: Exception) -> None:
        raise RuntimeError

    fake.script = [answer(422)]
    with closing(Outbox(Choreo(fake.url, "t", transport=fake.transport()), on_refused=fail, start=False)) as outbox:
        outbox.put_job(JOB, {"jobName": ""})
        outbox.put_job(JOB, {"jobName": "next"})
        assert outbox.pump() is None
    assert fake.jobs[JOB]["jobName"] == "next"


def test_a_full_outbox_says_so_and_keeps_what_it_has(fake: FakeChoreo) -> None:
    still = Still(fake, max_entries=2)
    with closing(still.outbox) as outbox:
        assert [outbox.put_job(JOB, {"jobName": str(n)}) for n in range(3)] == [True, True, False]
        assert outbox.pending == 2


def test_what_json_cannot_say_is_refused_without_an_exception(still: Still) -> None:
    assert not still.outbox.put_job(JOB, {"jobName": float("nan")})
    assert not still.outbox.put_job(JOB, {"jobName": object()})
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert not still.outbox.put_job(JOB, {"jobName": deep})


def test_reports_are_made_on_behalf_of_the_task_that_queued_them(still: Still, fake: FakeChoreo) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with correlated(Correlation(JOB, TASK, trace)):
        still.outbox.put_job(JOB, {"jobName": "j"})
        still.outbox.update_shared_state(JOB, {"currentPrice": 1})
        still.outbox.put_error_report(JOB, TASK, {"title": "x"})
    still.drain()
    assert {(s.headers["request-id"], s.headers["traceparent"]) for s in fake.seen} == {(TASK, trace)}
    assert fake.state(JOB) == {"currentPrice": 1}


def test_a_restart_goes_on_where_the_last_process_stopped(fake: FakeChoreo, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    first = Still(fake, path)
    first.outbox.put_job(JOB, {"jobName": "j"})
    first.outbox.put_task(JOB, TASK, {"taskName": "t"})
    assert not first.outbox.close()
    second = Still(fake, path)
    with closing(second.outbox):
        second.drain()
    assert fake.tasks[JOB][TASK] == {"taskName": "t"}


def test_what_was_queued_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    script = (
        "import os, signal, sys\n"
        "from choreo_client import Choreo, Outbox\n"
        "outbox = Outbox(Choreo('http://127.0.0.1:1', 't'), sys.argv[1], start=False)\n"
        "outbox.put_job('j', {'jobName': 'kept'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == -9
    with closing(sqlite3.connect(path)) as sql:
        assert sql.execute("SELECT key, kind FROM entry").fetchall() == [("j", "put_job")]


def test_the_thread_delivers_and_flush_waits_for_it(fake: FakeChoreo) -> None:
    with closing(Outbox(Choreo(fake.url, "t", transport=fake.transport()))) as outbox:
        for number in range(20):
            outbox.put_job(JOBS[number % 3], {"jobName": str(number)})
        assert outbox.flush(10)
        assert len(fake.seen) == 20
        assert outbox.settle(JOB, 10)


def test_neither_put_nor_close_waits_for_a_choreo_that_hangs() -> None:
    entered, release = threading.Event(), threading.Event()

    def hang(entry: Entry) -> None:
        entered.set()
        release.wait(30)

    queue = ReplayQueue(hang)
    assert queue.put("k", "kind", {})
    assert entered.wait(10)
    assert queue.put("k", "kind", {})
    assert not queue.flush(0.0)
    assert not queue.settle("k", 0.0)
    assert not queue.close(0.0)
    assert not queue.put("k", "kind", {})
    release.set()
    queue._thread.join(10)
    queue.close()


def test_settle_gives_up_at_the_first_failure() -> None:
    def fail(entry: Entry) -> None:
        raise TryAgain("down", retry_after=1000)

    with closing(ReplayQueue(fail)) as queue:
        queue.put("k", "kind", {})
        assert not queue.settle("k", 60)
        assert queue.settle("another", 0)
        queue.close(0)


def test_a_lease_registers_and_is_withdrawn(fake: FakeChoreo) -> None:
    lease = Lease(Choreo(fake.url, "t", transport=fake.transport()), "cart", TASK, "http://cart.test")
    lease.start()
    assert fake.wait_until(lambda: len(fake.seen) == 1)
    lease.close(10)
    put, delete = fake.seen
    assert (put.method, put.path) == ("PUT", f"/api/v1/services/cart/locations/{TASK}")
    assert put.body == {"url": "http://cart.test", "priority": 0, "leaseSeconds": 30, "kind": "primary"}
    assert (delete.method, delete.path) == ("DELETE", put.path)


def test_a_lease_does_not_mind_that_choreo_is_down(fake: FakeChoreo) -> None:
    fake.script = [no_answer] * 2
    lease = Lease(Choreo(fake.url, "t", transport=fake.transport()), "cart", TASK, "http://cart.test")
    lease.start()
    assert fake.wait_until(lambda: len(fake.seen) == 1)
    lease.close(10)
    assert len(fake.seen) == 2
