"""The stage for tests of cancel and revert calls: a job, a service that answers, and a clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import CALL_OPEN, CallStatus
from jobs.models import Call, Job, Service, Task
from jobs.services.accounts import ensure_service
from jobs.services.calls import run_due
from jobs.services.job_reports import request_cancellation, write_job
from jobs.services.task_reports import write_task
from tests.jobs.calls_peer import Behaviour, Peer, running_peer


class Clock:
    """The time that a test decides."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@dataclass
class Scene:
    """One job of one service, and what is done to it."""

    peer: Peer
    clock: Clock
    service: Service
    job_id: UUID

    def task(self, status: str = "completed", **values: Any) -> Task:
        fields = {"name": "pay", "status": status} | values
        return write_task(
            self.job_id,
            uuid4(),
            self.service,
            fields,
            create=True,
            traceparent="",
            precondition=NO_PRECONDITION,
            now=self.clock(),
        ).row

    def cancel(self) -> None:
        request_cancellation(self.job_id, self.service, precondition=NO_PRECONDITION, now=self.clock())

    def undo(self, *behaviours: Behaviour, path: str = "/undo") -> Call:
        """A job with one completed task, whose revert is now due and will be answered like this."""
        self.task(revert_url=self.peer.plays(*behaviours, path=path))
        self.cancel()
        return Call.objects.get()

    def run_until_queued(self, call: Call, most: int = 20) -> Call:
        """The same, as far as the replay queue."""
        for _ in range(most):
            call.refresh_from_db()
            if call.status == CallStatus.QUEUED:
                return call
            self.clock.now = max(self.clock.now, call.next_at)
            assert self.run(limit=1) == 1
        raise AssertionError(f"still {call.status} after {most} attempts")

    def run(self, **options: Any) -> int:
        return run_due(self.clock, **options)

    def run_until_settled(self, call: Call, most: int = 60) -> Call:
        """Go from one due time to the next, as a clock that jumps."""
        for _ in range(most):
            call.refresh_from_db()
            if call.status not in CALL_OPEN:
                return call
            self.clock.now = max(self.clock.now, call.next_at)
            assert self.run(limit=1) == 1
        raise AssertionError(f"still {call.status} after {most} attempts")

    @property
    def job(self) -> Job:
        return Job.objects.get(pk=self.job_id)


@contextmanager
def running_scene() -> Iterator[Scene]:
    """A working job of the service `pay`, which answers as `Scene.peer` is told to."""
    clock, service, job_id = Clock(), ensure_service("pay"), uuid4()
    values = {"name": "checkout", "status": None, "description": None, "max_ttl": None}
    values |= {"on_task_failure": None, "plan": None}
    write_job(job_id, service, values, create=True, precondition=NO_PRECONDITION, now=clock())
    with running_peer() as peer:
        yield Scene(peer, clock, service, job_id)


def outcomes(call: Call) -> list[tuple[int | None, str]]:
    return list(call.attempts.values_list("status_code", "outcome"))
