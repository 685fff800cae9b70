"""What the job page shows of the undoing: task by task every call, and every attempt of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db.models import Prefetch, QuerySet

from jobs.domain.states import CallStatus, TaskStatus
from jobs.models import Call, CallAttempt, Job, Task
from jobs.services.by_hand import may_be_marked, with_last_outcome

ATTEMPTS = 100
"""So many attempts of a call the page shows, the latest ones."""


@dataclass(frozen=True)
class ShownAttempt:
    """One attempt: `number` counts from the call's first one that is shown, `host` is whom it called."""

    number: int
    row: CallAttempt
    host: str


@dataclass(frozen=True)
class ShownCall:
    """One call with its latest attempts, oldest first; `earlier` says that there were more."""

    row: Call
    attempts: list[ShownAttempt]
    earlier: bool

    @property
    def queued(self) -> bool:
        """In the replay queue?"""
        return self.row.status == CallStatus.QUEUED


@dataclass(frozen=True)
class Undoing:
    """One task with the calls that were to undo it, and whether a person may say that it is undone by hand."""

    task: Task
    calls: list[ShownCall]
    may_be_marked: bool


def calls_of(job: Job) -> QuerySet[Call]:
    """The calls of a job with their tasks and latest attempts, in two queries."""
    latest = Prefetch("attempts", CallAttempt.objects.order_by("-id")[: ATTEMPTS + 1], to_attr="latest_attempts")
    calls = job.calls.select_related("task__service").order_by("created_at", "id")
    return with_last_outcome(calls).prefetch_related(latest)


def undoings(tasks: Iterable[Task], calls: Sequence[Call]) -> list[Undoing]:
    """What there is to show, in the order in which it began; tasks that nobody could be asked to undo come last."""
    of_task: dict[int, list[Call]] = {}
    for call in calls:
        of_task.setdefault(call.task_id, []).append(call)
    found = [_undoing(several[0].task, several) for several in of_task.values()]
    without = [task for task in tasks if task.pk not in of_task and task.status == TaskStatus.REVERT_FAILED]
    return found + [_undoing(task, []) for task in without]


def _undoing(task: Task, calls: list[Call]) -> Undoing:
    return Undoing(task, [_shown(call) for call in calls], may_be_marked(task, calls))


def _shown(call: Call) -> ShownCall:
    latest: list[CallAttempt] = getattr(call, "latest_attempts")  # noqa: B009  (not a field of the model)
    attempts = [
        ShownAttempt(number, row, urlsplit(row.url).netloc) for number, row in enumerate(reversed(latest[:ATTEMPTS]), 1)
    ]
    return ShownCall(call, attempts, earlier=len(latest) > ATTEMPTS)
