"""An operator's word that a task is undone, because somebody undid by hand what it had left behind."""

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from jobs.domain.callbacks import AnswerKind, Outcome
from jobs.domain.errors import IllegalTransition, Invalid, NotFound
from jobs.domain.events import EventKind
from jobs.domain.states import CALL_OPEN, CallAction, CallStatus, JobStatus, TaskStatus
from jobs.models import Call, CallAttempt, Job, Task
from jobs.services import history, undo
from jobs.services.locks import lock_job
from jobs.services.transitions import move_job, move_task

LONGEST_NOTE = 500


def mark_undone(job_id: UUID, task_id: UUID, operator: str, *, note: str, now: datetime) -> Job:
    """Record a task as reverted on the operator's word, and go on with its job as after a revert that worked.

    `note` says what was done: 1 to 500 characters, kept in the history with who said so. Raises Invalid for another
    note, NotFound, or IllegalTransition unless `may_be_marked`; a second time is therefore refused.
    """
    words = _one_line(note)
    with transaction.atomic():
        job = lock_job(job_id)
        task = job.tasks.select_related("service").filter(task_id=task_id).first()
        if task is None:
            raise NotFound("There is no task of this ID in the job.")
        task.job = job
        if not may_be_marked(task, with_last_outcome(task.calls.all())):
            raise IllegalTransition(_why_not(task), taskStatus=task.status, requested=str(TaskStatus.REVERTED))
        _close_revert(task, operator, now)
        move_task(task, TaskStatus.REVERTED, actor=operator, now=now, note=words)
        _go_on(job, operator, now)
        return job


def may_be_marked(task: Task, calls: Iterable[Call]) -> bool:
    """True for a task whose undoing failed, or whose revert waits in the replay queue or fails again and again.

    Never while its service may well be about to undo it itself. `calls` are the task's, from `with_last_outcome`.
    """
    if task.status == TaskStatus.REVERT_FAILED:
        return True
    reverts = (call for call in calls if call.action == CallAction.REVERT)
    return task.status == TaskStatus.REVERTING and any(_goes_wrong(call) for call in reverts)


def with_last_outcome(calls: QuerySet[Call]) -> QuerySet[Call]:
    """The calls, each with the outcome of its last attempt that came to an end."""
    finished = CallAttempt.objects.filter(call=OuterRef("pk")).exclude(outcome="").order_by("-id")
    return calls.annotate(last_outcome=Subquery(finished.values("outcome")[:1]))


def _goes_wrong(call: Call) -> bool:
    """Does the call wait in the queue, or was the last answer since it fell due of no use?"""
    if call.status == CallStatus.QUEUED:
        return True
    if call.status not in CALL_OPEN or not (call.attempts_made or call.queued_at):
        return False
    last: str | None = getattr(call, "last_outcome")  # noqa: B009  (an annotation, not a field)
    return last is not None and last != AnswerKind.UNDER_WAY


def _why_not(task: Task) -> str:
    if task.status == TaskStatus.REVERTING:
        return "Its revert is under way; wait for the answer of its service."
    return f"The task is {task.status}; only one that could not be reverted can be marked as undone by hand."


def _close_revert(task: Task, operator: str, now: datetime) -> None:
    """The call is not made any more; one that is being made right now has lost its claim, and changes nothing."""
    closed = Call.objects.filter(task=task, action=CallAction.REVERT, status__in=CALL_OPEN).update(
        status=CallStatus.DONE,
        outcome=Outcome.NEEDLESS,
        settled_at=now,
        lease_until=None,
        lease_token=None,
        slot=None,
        holds_until=None,
    )
    if closed:
        history.record(
            task.job,
            EventKind.CALL_SETTLED,
            actor=operator,
            now=now,
            task=task,
            action=CallAction.REVERT,
            status=CallStatus.DONE,
            outcome=Outcome.NEEDLESS,
        )


def _go_on(job: Job, operator: str, now: datetime) -> None:
    """A job that was stuck on nothing else comes to the end that its undoing would have led to."""
    stuck = job.tasks.filter(status=TaskStatus.REVERT_FAILED).exists()
    if job.status == JobStatus.REVERT_FAILED and not stuck:
        move_job(job, JobStatus.CANCELLING, actor=operator, now=now)
    undo.advance(job, now)


def _one_line(note: str) -> str:
    """Without control, bidi and other invisible characters. Raises Invalid when nothing, or too much, is left."""
    words = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in note).split())
    if not words:
        raise Invalid("Say in a note what was done by hand, and where that can be seen.")
    if len(words) > LONGEST_NOTE:
        raise Invalid(f"The note has {len(words)} characters; {LONGEST_NOTE} is the most.")
    return words
