"""What a network does with PUTs: it repeats them, lets them overtake each other, and delivers some late.

As a program, `python -m tests.concurrency.deliveries PUTS SEED…`, it plays the whole on a database of its own
(`DATABASE_URL`) and prints what came of it as JSON: one process of several, because one interpreter fills one core.
"""

import gc
import hashlib
import json
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:  # this is also a program, and sets Django up before it loads what needs it
    from tests.concurrency.threads import Answer, Wire

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SERVICES = ("cart", "tax", "pay", "ship")
THREADS = 4
WAIT_SECONDS = 60
JOBS_SHARE = 160
"""One job for so many deliveries: each of its 17 PUTs then arrives about nine times."""
_TASKS = {
    "cart": ("working", "completed"),
    "tax": ("pending", "working", "completed"),
    "pay": ("working", "cancelled"),
    "ship": ("pending", "working", "failed"),
}

Seen = dict[str, tuple[str, str, bytes]]
"""Path → ETag, Last-Modified (where there is one) and the body."""


@dataclass(frozen=True)
class Put:
    """One PUT of a script. `needs`: positions of those whose answer its sender had before it sent this one."""

    service: str
    path: str
    body: bytes
    if_match: str | None
    needs: frozenset[int]


@dataclass
class Script:
    """PUTs in the order in which they were meant."""

    puts: list[Put] = field(default_factory=list)

    def say(self, service: str, path: str, members: Any, *needs: int, if_match: str | None = None) -> int:
        """Add one; its position."""
        self.puts.append(Put(service, path, json.dumps(members).encode(), if_match, frozenset(needs)))
        return len(self.puts) - 1

    def tell_job(self, number: int) -> None:
        """A job from its first word to its end: its tasks do not wait for each other, but each writer of the shared
        state has read what the one before it wrote, and the initiator closes the job when it has read the last."""
        job = f"jobs/{_id(f'job {number}')}"
        members = {"jobName": "checkout", "jobOnTaskFailure": "alert", "jobPlan": [{"taskName": "tax", "timeout": 9}]}
        begun = self.say("cart", job, members | {"jobStatus": "pending", "jobDescription": "asked for"})
        self.say("cart", job, members | {"jobStatus": "working", "jobDescription": "under way"}, begun)
        read = [begun]
        for revision, service in enumerate(SERVICES):
            joined = self._tell_task(job, service, begun)
            state = {"revision": revision, "by": service, "updatedPrice": 40.5 + revision}
            read = [self.say(service, f"{job}/shared-state", state, joined, *read, if_match=f'"s{revision}"')]
        self.say("cart", job, members | {"jobStatus": "completed", "jobDescription": "done", "jobMaxTTL": 60}, *read)

    def _tell_task(self, job: str, service: str, begun: int) -> int:
        path = f"{job}/tasks/{_id(f'{service} of {job}')}"
        members = {"taskName": service, "taskRevertURL": f"https://{service}.example/undo", "taskMaxTTL": 30}
        if service != "cart":
            members["taskCausedBy"] = _id(f"cart of {job}")
        said = [
            self.say(service, path, members | {"taskStatus": status, "taskDescription": f"is {status}"}, begun)
            for status in _TASKS[service]
        ]
        return said[0]

    @property
    def paths(self) -> list[str]:
        """Everything that can be read of what it writes."""
        written = {put.path for put in self.puts}
        jobs = sorted(path for path in written if path.count("/") == 1)
        return sorted(written | {f"{job}/{part}" for job in jobs for part in ("tasks", "progress", "budget")})


def script(jobs: int) -> Script:
    """The story of so many jobs; the same one each time."""
    made = Script()
    for number in range(jobs):
        made.tell_job(number)
    return made


def arrivals(puts: Sequence[Put], count: int, seed: int) -> list[int]:
    """Positions in the order of their arrival, `count` in all: each PUT at least twice. A PUT is first sent after what
    it needs, at a time of its own; copies come at the same time or any time later, also after all is over."""
    chance = Random(seed)
    sent: list[float] = []
    for put in puts:
        sent.append(max((sent[need] for need in put.needs), default=0.0) + chance.expovariate(1))
    positions = range(len(puts))
    copies = [*positions, *chance.choices(positions, k=count - 2 * len(puts))]
    delays = [0.0 if chance.random() < 0.3 else chance.expovariate(0.2) for _ in copies]
    times = [*zip(sent, positions, strict=True)]
    times += [(sent[copy] + delay, copy) for copy, delay in zip(copies, delays, strict=True)]
    return [position for _, position in sorted(times)]


def known_wire() -> "Wire":
    """A way in for the services of the script, and the terms that they write."""
    from jobs.services.vocabulary import load_terms
    from tests.concurrency.threads import Wire

    load_terms({"terms": [{"property": name} for name in ("revision", "by", "updatedPrice")]})
    wire = Wire()
    wire.know(*SERVICES)
    return wire


def deliver(wire: "Wire", put: Put) -> "Answer":
    """Send one PUT, once."""
    headers = {"if_match": put.if_match} if put.if_match else {}
    return wire.send("PUT", put.service, put.path, put.body, **headers)


def deliver_all(wire: "Wire", puts: Sequence[Put], order: Iterable[int], threads: int = THREADS) -> Counter[str]:
    """Deliver in about this order, so many at a time, nothing before what it needs was answered. How often each answer
    came, as `409 status-regression`."""
    from django.db import connection

    queue, taking = iter(order), threading.Lock()
    answered = [threading.Event() for _ in puts]
    answers: list[str] = []

    def work() -> None:
        try:
            while True:
                with taking:
                    position = next(queue, None)
                if position is None:
                    return
                if not all(answered[need].wait(WAIT_SECONDS) for need in puts[position].needs):
                    answers.append("never sent")
                answer = deliver(wire, puts[position])
                answers.append(f"{answer.status} {answer.problem}".strip())
                answered[position].set()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Counter(answers)


def look(wire: "Wire", paths: Iterable[str]) -> Seen:
    """All that is there now, as the owner of the jobs sees it."""
    answers = {path: wire.send("GET", "cart", path) for path in paths}
    assert {answer.status for answer in answers.values()} == {200}
    return {
        path: (answer.headers["ETag"], answer.headers.get("Last-Modified", ""), answer.body)
        for path, answer in answers.items()
    }


def forget() -> None:
    """Remove every job and what belongs to it, at once."""
    from django.core.management.color import no_style
    from django.db import connection

    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), ["jobs_job"], allow_cascade=True))


def done_twice() -> list[Any]:
    """Steps that the history tells of more than once: there may be none."""
    from django.db.models import Count

    from jobs.models import JobEvent

    steps = JobEvent.objects.filter(kind__in=["job.created", "job.status", "task.created", "task.status"])
    return list(steps.values("job", "task", "kind", "data__new").annotate(times=Count("id")).filter(times__gt=1))


@contextmanager
def frozen_clock() -> Iterator[None]:
    """The clock that the API reads stands still, so that representations can be compared byte by byte."""
    with mock.patch("jobs.api.views.base.database_now", return_value=NOW):
        yield


@contextmanager
def _tokens_known() -> Iterator[None]:
    """Look up each token once: who sends is not what is in question, and a sixth of the time of a PUT."""
    from jobs.services.accounts import authenticate

    found: dict[str, Any] = {}

    def known(token: str, now: datetime) -> Any:
        if token not in found:
            found[token] = authenticate(token, now)
        return found[token]

    with mock.patch("jobs.api.authentication.authenticate", known):
        yield


def reference(wire: "Wire", told: Script) -> Seen:
    """What is there when each PUT arrives once, in order; every one of them is accepted."""
    forget()
    for put in told.puts:
        answer = deliver(wire, put)
        assert answer.status in {200, 201}, (put, answer)
    return look(wire, told.paths)


def digest(seen: Seen) -> str:
    """A short name for all of it."""
    return hashlib.sha256(repr(sorted(seen.items())).encode()).hexdigest()[:16]


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://choreo.example/{name}"))


def _play(count: int, seeds: Sequence[int]) -> dict[str, Any]:
    """`count` PUTs for each seed, and how what they left differs from the reference."""
    from tests.concurrency.threads import kept_connections

    wire, told = known_wire(), script(jobs=count // JOBS_SHARE)
    with kept_connections(), frozen_clock(), _tokens_known():
        gc.freeze()
        gc.set_threshold(50_000)
        expected = reference(wire, told)
        runs = [_run(wire, told, expected, count, seed) for seed in seeds]
    return {"puts": len(told.puts), "resources": len(expected), "reference": digest(expected), "runs": runs}


def _run(wire: "Wire", told: Script, expected: Seen, count: int, seed: int) -> dict[str, Any]:
    forget()
    began, worked = time.monotonic(), time.process_time()
    answers = deliver_all(wire, told.puts, arrivals(told.puts, count, seed))
    seconds = time.monotonic() - began
    found = look(wire, told.paths)
    different = [
        f"{path}: {found[path]} instead of {expected[path]}" for path in found if found[path] != expected[path]
    ]
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "cpu": round(time.process_time() - worked, 1),
        "answers": dict(answers),
        "different": different[:5],
        "done_twice": str(done_twice()[:5]),
        "left": digest(found),
    }


def _main(count: int, seeds: Sequence[int]) -> None:
    import logging

    import django
    from django.core.management import call_command

    django.setup()
    logging.getLogger("django.request").setLevel(logging.ERROR)  # a line for each refusal would be all that is read
    call_command("migrate", verbosity=0)
    print(json.dumps(_play(count, seeds)))


if __name__ == "__main__":
    _main(int(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])
