"""A small language for stories about jobs: services report, time passes, calls are answered."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import CallStatus
from jobs.models import Call, Job, Service, Task
from jobs.services import undo
from jobs.services.access import Written
from jobs.services.accounts import ensure_service
from jobs.services.job_reports import write_job
from jobs.services.task_reports import write_task

JOB_FIELDS = ("name", "description", "max_ttl", "status", "on_task_failure", "plan")
TASK_FIELDS = (
    "name",
    "description",
    "status",
    "max_ttl",
    "caused_by",
    "state_changed",
    "message",
    "url",
    "cancel_url",
    "revert_url",
)


@dataclass
class Story:
    """One job of the service `cart`, told step by step; `now` moves only when told to."""

    now: datetime = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    job_id: UUID = field(default_factory=uuid.uuid4)
    ids: dict[str, UUID] = field(default_factory=dict)

    def after(self, seconds: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def service(self, name: str) -> Service:
        """The service of this name, made when new."""
        return ensure_service(name)

    def put_job(self, by: str = "cart", **given: Any) -> Written[Job]:
        """PUT the job, as a whole."""
        values = dict.fromkeys(JOB_FIELDS) | {"name": "checkout", "max_ttl": 30} | given
        return write_job(self.job_id, self.service(by), values, create=True, precondition=NO_PRECONDITION, now=self.now)

    def patch_job(self, by: str = "cart", **given: Any) -> Written[Job]:
        """PATCH the job."""
        return write_job(self.job_id, self.service(by), given, create=False, precondition=NO_PRECONDITION, now=self.now)

    def put_task(self, name: str, by: str = "", cause: str = "", **given: Any) -> Written[Task]:
        """PUT a task, as a whole, by the service of its name; it can be called unless told otherwise."""
        task_id = self.ids.setdefault(name, uuid.uuid4())
        base = f"https://{name}.example/tasks/{task_id}"
        values = dict.fromkeys(TASK_FIELDS) | {
            "name": name,
            "cancel_url": f"{base}/cancel",
            "revert_url": f"{base}/revert",
            "caused_by": self.ids[cause] if cause else None,
        }
        return write_task(
            self.job_id,
            task_id,
            self.service(by or name),
            values | given,
            create=True,
            traceparent="",
            precondition=NO_PRECONDITION,
            now=self.now,
        )

    def patch_task(self, name: str, **given: Any) -> Written[Task]:
        """PATCH a task by the service of its name."""
        return write_task(
            self.job_id,
            self.ids[name],
            self.service(name),
            given,
            create=False,
            traceparent="",
            precondition=NO_PRECONDITION,
            now=self.now,
        )

    def chain(self, *names: str, **given: Any) -> None:
        """Tasks one second apart, each completed and caused by the one before."""
        cause = ""
        for name in names:
            self.after(1)
            self.put_task(name, cause=cause, **({"status": "completed"} | given))
            cause = name

    @property
    def job(self) -> Job:
        """The job as it is stored."""
        return Job.objects.get(pk=self.job_id)

    def task(self, name: str) -> Task:
        """A task as it is stored."""
        return Task.objects.get(job_id=self.job_id, task_id=self.ids[name])

    def statuses(self) -> dict[str, str]:
        """Every task's status by its name."""
        return dict(Task.objects.filter(job_id=self.job_id).values_list("name", "status"))

    def due(self) -> list[tuple[str, str]]:
        """The calls that wait to be made, as (action, task name)."""
        calls = Call.objects.filter(job_id=self.job_id, status=CallStatus.PENDING)
        return sorted(calls.values_list("action", "task__name"))

    def answer(self, action: str, name: str, *, done: bool = True, outcome: str = "done") -> None:
        """A worker makes this call and gets its final answer."""
        call = Call.objects.get(job_id=self.job_id, action=action, task__name=name, status=CallStatus.PENDING)
        token = uuid.uuid4()
        lease = {"status": CallStatus.RUNNING, "lease_token": token, "lease_until": self.now, "slot": call.pk % 30_000}
        Call.objects.filter(pk=call.pk).update(**lease)
        call.attempts.create(url="https://example/", started_at=self.now)
        assert undo.settle_call(call.pk, token, done=done, outcome=outcome, now=self.now)

    def answer_all(self, *, failing: tuple[str, ...] = ()) -> list[list[tuple[str, str]]]:
        """Answer wave after wave until nothing is due; returns the waves."""
        waves = []
        while due := self.due():
            waves.append(due)
            for action, name in due:
                self.answer(action, name, done=name not in failing, outcome="refused" if name in failing else "done")
        return waves
