"""The geometry of the job page's timeline: one row a task, on the job's own time axis. Pure arithmetic, no HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from jobs.domain.states import CallAction, TaskStatus
from jobs.models import Call, Job, Task
from jobs.templatetags.display import duration

WIDTH, LEFT, RIGHT, TOP, ROW = 1120, 170, 950, 28, 40
BAR = 18
"""All in the SVG's own units. Between RIGHT and WIDTH is room for the words beside the last bar."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 432000)
_MOST_TICKS = 7


_WORK = {
    TaskStatus.PENDING: "working",
    TaskStatus.WORKING: "working",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLING: "stopped",
    TaskStatus.CANCELLED: "stopped",
}
"""How the bar of a task's own work looks; what was undone later had been completed, as far as anybody knows."""


@dataclass(frozen=True)
class Bar:
    """A stretch of time of one task: its work, or a call to undo it. `kind` is a CSS class, `title` says it all."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class Row:
    """One task: where its line is, what its bars are, and where the words after the last of them begin."""

    task: Task
    y: int
    bars: tuple[Bar, ...]
    note_x: float
    cause: str = ""


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """All that the SVG needs."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    height: int
    deadline_x: float | None
    deadline_label: str
    label: str
    width: int = WIDTH
    top: int = TOP
    bottom: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bottom", self.height - 24)


@dataclass(frozen=True)
class _Axis:
    start: datetime
    seconds: float

    def reaches(self, at: datetime) -> bool:
        return (at - self.start).total_seconds() <= self.seconds

    def x(self, at: datetime) -> float:
        share = (at - self.start).total_seconds() / self.seconds
        return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)


def timeline(job: Job, tasks: Sequence[Task], calls: Iterable[Call], now: datetime) -> Timeline:
    """The timeline of a job with these tasks and the calls that were made to undo them."""
    of_task: dict[int, list[Call]] = {}
    for call in calls:
        of_task.setdefault(call.task_id, []).append(call)
    axis = _axis(job, tasks, [call for several in of_task.values() for call in several], now)
    rows = [_row(task, of_task.get(task.pk, []), axis, number, now) for number, task in enumerate(tasks)]
    return Timeline(
        rows=tuple(_with_causes(rows)),
        ticks=tuple(_ticks(axis)),
        height=TOP + ROW * max(len(tasks), 1) + 24,
        deadline_x=axis.x(job.deadline_at) if job.deadline_at and axis.reaches(job.deadline_at) else None,
        deadline_label=f"max TTL {duration(job.max_ttl)}",
        label=_in_words(job, tasks),
    )


def _axis(job: Job, tasks: Sequence[Task], calls: Sequence[Call], now: datetime) -> _Axis:
    """From the first thing that happened to the last; the deadline is on it unless it is far beyond what happened."""
    start = min([at for at in (job.started_at, *(t.started_at for t in tasks)) if at] or [job.created_at])
    open_end = job.stopped_at or now
    ends = [open_end, *(t.stopped_at for t in tasks), *(c.settled_at for c in calls)]
    span = max((at - start).total_seconds() for at in ends if at)
    if job.deadline_at:
        to_deadline = (job.deadline_at - start).total_seconds()
        span = max(span, to_deadline) if to_deadline <= 3 * span else span
    return _Axis(start, max(span, 0.001))


def _row(task: Task, calls: Sequence[Call], axis: _Axis, number: int, now: datetime) -> Row:
    undo_began = min((call.created_at for call in calls), default=None)
    end = min(at for at in (task.stopped_at, undo_began, now) if at)
    stopped = any(call.action == CallAction.CANCEL for call in calls)
    bars = [_work_bar(task, axis, end, stopped)] if task.started_at else []
    bars += [_undo_bar(task, call, axis, call.settled_at or now) for call in calls]
    note_x = max((bar.x + bar.width for bar in bars), default=float(LEFT)) + 8
    return Row(task, TOP + ROW * number, tuple(bars), note_x)


def _work_bar(task: Task, axis: _Axis, end: datetime, stopped: bool) -> Bar:
    start = task.started_at or end
    kind = "stopped" if stopped else _WORK.get(TaskStatus(task.status), "completed")
    return _bar(axis, start, end, kind, f"{task.name}: {kind}, {duration((end - start).total_seconds())}")


def _undo_bar(task: Task, call: Call, axis: _Axis, end: datetime) -> Bar:
    took = duration((end - call.created_at).total_seconds())
    return _bar(axis, call.created_at, end, f"undo-{call.status}", f"{task.name}: {call.action} {call.status}, {took}")


def _bar(axis: _Axis, start: datetime, end: datetime, kind: str, title: str) -> Bar:
    x = axis.x(start)
    return Bar(x, round(max(axis.x(end) - x, 3.0), 1), kind, title)


def _with_causes(rows: Sequence[Row]) -> list[Row]:
    """Give each row the path from the end of its cause to its own beginning."""
    by_id = {row.task.task_id: row for row in rows}
    joined = []
    for row in rows:
        cause = by_id.get(row.task.caused_by) if row.task.caused_by else None
        path = _path(cause, row) if cause and cause is not row and cause.bars and row.bars else ""
        joined.append(Row(row.task, row.y, row.bars, row.note_x, path))
    return joined


def _path(cause: Row, effect: Row) -> str:
    x1, y1 = cause.bars[0].x + cause.bars[0].width, cause.y + BAR
    x2, y2 = effect.bars[0].x, effect.y + BAR // 2
    bend = x2 - 10 if x2 - 10 > LEFT else x2
    return f"M{min(x1, x2):.1f} {y1}C{bend:.1f} {y1} {bend - 6:.1f} {y2} {x2:.1f} {y2}"


def _ticks(axis: _Axis) -> list[Tick]:
    if axis.seconds < 1:
        return [Tick(LEFT, "0 s"), Tick(RIGHT, f"{axis.seconds * 1000:.0f} ms")]
    step = next((s for s in _STEPS if axis.seconds / s <= _MOST_TICKS), _STEPS[-1])
    count = min(int(axis.seconds // step), 60)
    width = (RIGHT - LEFT) * step / axis.seconds
    return [Tick(round(LEFT + number * width, 1), duration(number * step)) for number in range(count + 1)]


def _in_words(job: Job, tasks: Sequence[Task]) -> str:
    order = sorted((t for t in tasks if t.started_at), key=lambda t: t.started_at or t.created_at)
    reacted = [f"{first.name} then {second.name}" for first, second in pairwise(order[:20])]
    ran = f"{len(tasks)} task{'' if len(tasks) == 1 else 's'} on a time axis"
    then = f"; {', '.join(reacted)}" if reacted else ""
    return f"Timeline of {job.name}: {ran}, max TTL {duration(job.max_ttl)}{then}"
