"""Revert Them All, as a pure function: from what the tasks are, what is to be done next.

The state of the undoing is nothing but the state of the tasks and their calls, so that the answer is the same after a
crash, when asked twice, or by two at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from jobs.domain.states import CallStatus, TaskStatus


@dataclass(frozen=True)
class TaskFacts:
    """What the plan needs to know of a task. `cancel` is the status of its cancel call, None if it never had one.

    `holds` says whether a call that is under way still keeps others waiting: until it has failed, hung or been queued.
    """

    id: UUID
    status: TaskStatus
    state_changed: bool
    started_at: datetime | None
    caused_by: UUID | None = None
    has_cancel_url: bool = False
    has_revert_url: bool = False
    cancel: CallStatus | None = None
    holds: bool = True

    @property
    def started(self) -> bool:
        """Did any work begin? A task that was only announced has nothing to undo."""
        return self.started_at is not None

    @property
    def cancel_failed(self) -> bool:
        """The service was asked to stop, and could not or would not."""
        return self.status is TaskStatus.CANCELLING and self.cancel is CallStatus.FAILED

    @property
    def cancel_under_way(self) -> bool:
        """The service was asked to stop, and has not answered for good yet."""
        return self.status is TaskStatus.CANCELLING and self.cancel is not CallStatus.FAILED


@dataclass
class Steps:
    """The next moves: IDs of tasks by what is to be done to each, and whether the undoing is over."""

    call_cancel: list[UUID] = field(default_factory=list)
    record_cancelled: list[UUID] = field(default_factory=list)
    call_revert: list[UUID] = field(default_factory=list)
    give_up: list[UUID] = field(default_factory=list)
    waiting: bool = False

    @property
    def finished(self) -> bool:
        """Nothing to do and nothing under way: what each task is now, it stays."""
        return not (self.call_cancel or self.record_cancelled or self.call_revert or self.give_up or self.waiting)


def next_steps(tasks: Iterable[TaskFacts]) -> Steps:
    """What Revert Them All does next with a cancelling job's tasks (pattern: "Time and human escalation").

    Working tasks are cancelled first. Then every task that started and changed state is reverted, each one only when
    all that it caused is settled; tasks that do not depend on each other go at the same time, and a call that failed,
    or is about to (not `holds`), holds up nothing. Apply the steps and ask again, until `finished`.
    """
    all_tasks = list(tasks)
    steps = _stop_what_works(all_tasks)
    if steps.call_cancel or any(task.cancel_under_way and task.holds for task in all_tasks):
        steps.waiting = True
        return steps
    effects = _effects(all_tasks)
    open_ids = {task.id for task in all_tasks if _to_revert(task) or _holds_its_cause(task)}
    for task in all_tasks:
        if not _to_revert(task):
            continue
        if _reachable(task.id, effects) & (open_ids - {task.id}):
            steps.waiting = True
        else:
            (steps.call_revert if task.has_revert_url else steps.give_up).append(task.id)
    steps.waiting = steps.waiting or any(task.status is TaskStatus.REVERTING for task in all_tasks)
    return steps


def all_undone(statuses: Iterable[TaskStatus]) -> bool:
    """True when no task is left that should have been undone and was not."""
    return TaskStatus.REVERT_FAILED not in set(statuses)


def to_undo(tasks: Iterable[TaskFacts]) -> list[UUID]:
    """The tasks that a cancel of the job would stop or revert, for a dialog that says so beforehand."""
    return [task.id for task in tasks if _to_revert(task) or task.status is TaskStatus.WORKING]


def _stop_what_works(tasks: list[TaskFacts]) -> Steps:
    steps = Steps()
    for task in tasks:
        if task.status is TaskStatus.PENDING:
            steps.record_cancelled.append(task.id)
        elif task.status is TaskStatus.WORKING and task.has_cancel_url:
            steps.call_cancel.append(task.id)
        elif task.status is TaskStatus.WORKING and not task.state_changed:
            steps.record_cancelled.append(task.id)
        elif task.cancel_under_way:
            steps.waiting = True
        elif task.cancel_failed and not task.state_changed:
            steps.give_up.append(task.id)  # nobody can say that it has stopped
    return steps


def _holds_its_cause(task: TaskFacts) -> bool:
    return task.status is TaskStatus.REVERTING and task.holds


def _to_revert(task: TaskFacts) -> bool:
    if not (task.started and task.state_changed):
        return False
    return task.cancel_failed or task.status in {
        TaskStatus.WORKING,
        TaskStatus.COMPLETED,
        TaskStatus.FAILED,
        TaskStatus.CANCELLED,
    }


def _effects(tasks: list[TaskFacts]) -> dict[UUID, set[UUID]]:
    """Cause → what it caused. A task whose cause is unknown is taken to follow the one that started just before it,
    so that without any declared cause the order is plain reverse start order."""
    ordered = sorted((t for t in tasks if t.started_at), key=lambda t: (t.started_at, t.id.int))
    known = {task.id for task in ordered}
    effects: dict[UUID, set[UUID]] = {task.id: set() for task in ordered}
    for task in reversed(ordered):  # a link that would close a circle is left out: its earliest starter is undone last
        cause = task.caused_by
        if cause in known and cause != task.id and cause not in _reachable(task.id, effects):
            effects[cause].add(task.id)
    caused = set().union(*effects.values()) if effects else set()
    for position, task in enumerate(ordered):
        if task.id in caused:
            continue
        mine = _reachable(task.id, effects)
        before = next((t.id for t in reversed(ordered[:position]) if t.id not in mine), None)
        if before is not None:
            effects[before].add(task.id)
    return effects


def _reachable(start: UUID, edges: Mapping[UUID, set[UUID]]) -> set[UUID]:
    seen: set[UUID] = set()
    todo = list(edges.get(start, ()))
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo.extend(edges.get(here, ()))
    return seen
