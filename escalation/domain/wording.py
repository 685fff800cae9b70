"""What an alert says, in words that a person grasps at three in the morning."""

from collections.abc import Collection
from uuid import UUID

from escalation.domain.text import clean
from jobs.domain.events import Cause
from jobs.domain.states import JobStatus, TaskStatus

NAME_LENGTH = 60


def job_ref(job_id: UUID) -> str:
    """A short name for a job: `J1a2b`."""
    return f"J{job_id.hex[:4]}"


def phrase(cause: Cause, task_name: str = "", title: str = "", service: str = "") -> str:
    """What went wrong, to stand after the job's name: `over max TTL`. Takes raw text of services and cleans it."""
    task, error = clean(task_name, NAME_LENGTH) or "a task", clean(title, 100)
    return {
        Cause.JOB_MAX_TTL: "over max TTL",
        Cause.TASK_FAILED: f"task {task} failed",
        Cause.TASK_MAX_TTL: f"task {task} over its max TTL",
        Cause.HALTING_ERROR: f"halting error: {error}" if error else "halting error",
        Cause.REVERT_FAILED: f"revert of {task} failed",
        Cause.LEASES_LOST: f"service {clean(service, NAME_LENGTH)} gone, its leases ran out".replace("  ", " "),
    }.get(cause, "needs help")


def summary(job_name: str, job_id: UUID, what: str) -> str:
    """An incident in one line: `checkout J1a2b over max TTL`."""
    return f"{clean(job_name, NAME_LENGTH)} {job_ref(job_id)} {what}"


def status(name: str) -> str:
    """A status of the contract in words: `revertFailed` → `revert failed`."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)


def progress(statuses: Collection[TaskStatus], *, undoing: bool) -> str:
    """How far it is: `2 of 4 tasks reverted` once Revert Them All has begun, `2 of 4 tasks completed` before."""
    if not statuses:
        return "no tasks yet"
    wanted = TaskStatus.REVERTED if undoing else TaskStatus.COMPLETED
    done = sum(status is wanted for status in statuses)
    return f"{done} of {len(statuses)} {'task' if len(statuses) == 1 else 'tasks'} {wanted}"


def undo_state(status: JobStatus, *, undoing: bool, left: int) -> str:
    """What was done already, in a sentence."""
    if status is JobStatus.CANCELLING:
        return "Cancel and Revert Them All are under way."
    if status is JobStatus.REVERT_FAILED or (undoing and left):
        return "Revert Them All has run, and could not undo everything."
    if undoing:
        return "Revert Them All has run: everything is undone."
    if status is JobStatus.COMPLETED:
        return "The job is completed; nothing was undone."
    return "Nothing was cancelled or reverted."


def headline(progress: str, *, stuck: str, waiting: str) -> str:
    """How it stands, to stand after what happened: what is not undone comes before what may yet be."""
    return "; ".join(filter(None, [progress, f"NOT UNDONE: {stuck}" if stuck else "", "" if stuck else waiting]))


def in_short(what: str, progress: str, *, stuck: str, why: str, waiting: str) -> list[str]:
    """The same for a text message: the first of these that fits says it best, the last one says what matters most."""
    if stuck:
        bare = f"NOT UNDONE {stuck}"
        full = f"{bare}, {why}" if why else bare
        return [f"{what}: {full}. {progress}", f"{full}. {progress}", full, bare]
    if waiting:
        return [f"{what}: {progress}, {waiting}", f"{what}: {waiting}", waiting]
    return [f"{what}: {progress}"]
