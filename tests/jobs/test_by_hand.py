"""What an operator undid by hand: allowed where the undoing went wrong, once, and never against an answer."""

import uuid
from datetime import datetime, timedelta
from functools import partial

import pytest

from jobs.domain.callbacks import AnswerKind, Outcome
from jobs.domain.errors import ChoreoError, IllegalTransition, Invalid, JobCancelled, NotFound
from jobs.domain.states import CallStatus, TaskStatus
from jobs.models import Call, Job, JobEvent
from jobs.services import deadlines, undo
from jobs.services.by_hand import LONGEST_NOTE, mark_undone
from jobs.services.job_reports import retry_reverts
from tests.concurrency.threads import at_once
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db

NOTE = "Refunded in the bank's portal, receipt 4711."


def stuck(*names: str, failing: tuple[str, ...] = ("pay",)) -> Story:
    """A job over its max TTL whose `failing` tasks could not be reverted."""
    story = Story()
    story.put_job(max_ttl=30)
    story.chain(*(names or ("cart", "pay")))
    deadlines.expire_due(story.after(60))
    story.answer_all(failing=failing)
    assert story.job.status == "revertFailed"
    return story


def reverting(task: dict[str, str] | None = None, **call: object) -> Story:
    """A job whose one revert is under way as `call` says."""
    story = Story()
    story.put_job(max_ttl=30)
    story.chain("pay", **(task or {}))
    deadlines.expire_due(story.after(60))
    Call.objects.update(**call)
    return story


def queued(**task: str) -> Story:
    """A job whose one revert waits in the replay queue."""
    now = datetime.fromisoformat("2026-11-01T12:01:05+00:00")
    window = {"queued_at": now, "give_up_at": now + timedelta(days=1), "queue_reason": "503"}
    return reverting(task, status=CallStatus.QUEUED, holds_until=None, **window)


def mark(story: Story, name: str = "pay", note: str = NOTE, by: str = "ann") -> Job:
    return mark_undone(story.job_id, story.ids[name], by, note=note, now=story.now)


def moves(story: Story, kind: str) -> list[tuple[str, str, str]]:
    rows = JobEvent.objects.filter(job_id=story.job_id, kind=kind).order_by("id")
    return [(event.actor, event.data["old"], event.data["new"]) for event in rows]


def claim(story: Story) -> tuple[int, uuid.UUID]:
    """A worker takes the job's revert."""
    token = uuid.uuid4()
    lease = {"lease_token": token, "lease_until": story.now + timedelta(seconds=30), "slot": 0}
    Call.objects.update(status=CallStatus.RUNNING, **lease)
    return Call.objects.get().pk, token


@pytest.mark.parametrize(("reason", "end"), [("maxTTL", "cancelled"), ("taskFailed", "failed")])
def test_the_last_task_that_is_marked_ends_the_job_as_its_undoing_would_have(reason: str, end: str) -> None:
    story = stuck()
    Job.objects.filter(pk=story.job_id).update(reason=reason)
    job = mark(story)
    assert (job.status, story.job.status, story.task("pay").status) == (end, end, "reverted")
    assert moves(story, "job.status")[-2:] == [("ann", "revertFailed", "cancelling"), ("choreo", "cancelling", end)]
    entry = JobEvent.objects.get(job_id=story.job_id, kind="task.status", actor="ann")
    assert (entry.task, entry.at, entry.data["new"]) == (story.task("pay"), story.now, "reverted")
    assert entry.data["note"] == NOTE


def test_a_job_with_more_that_is_not_undone_stays_revert_failed() -> None:
    story = stuck("cart", "tax", "pay", failing=("cart", "pay"))
    assert mark(story).status == "revertFailed"
    assert mark(story, "cart").status == "cancelled"


def test_a_second_time_is_refused_and_changes_nothing() -> None:
    story = stuck()
    mark(story)
    before = list(JobEvent.objects.values_list("id", flat=True))
    with pytest.raises(IllegalTransition, match="The task is reverted"):
        mark(story)
    assert list(JobEvent.objects.values_list("id", flat=True)) == before


def test_a_revert_in_the_replay_queue_is_not_made_any_more() -> None:
    story = queued()
    assert mark(story).status == "cancelled"
    call = Call.objects.get()
    assert (call.status, call.outcome, call.settled_at) == (CallStatus.DONE, Outcome.NEEDLESS, story.now)
    assert JobEvent.objects.filter(kind="call.settled", actor="ann", data__outcome="needless").count() == 1


@pytest.mark.parametrize("outcome", [AnswerKind.TRANSIENT, AnswerKind.BLOCKED, AnswerKind.NOTHING])
@pytest.mark.parametrize("status", [CallStatus.PENDING, CallStatus.RUNNING])
def test_a_revert_that_fails_again_and_again_may_be_marked_even_while_it_is_tried(
    outcome: AnswerKind, status: CallStatus
) -> None:
    story = reverting(attempts_made=1)
    call, token = claim(story)
    Call.objects.filter(status=CallStatus.RUNNING).exclude(status=status).update(status=status)
    Call.objects.get().attempts.create(url="https://pay.example/", started_at=story.now, outcome=outcome)
    Call.objects.get().attempts.create(url="https://pay.example/", started_at=story.now)  # under way now
    assert mark(story).status == "cancelled"
    assert not undo.settle_call(call, token, done=False, outcome="gave-up", now=story.now)
    assert (story.job.status, story.task("pay").status) == ("cancelled", "reverted")
    assert Call.objects.filter(slot=None, lease_token=None, holds_until=None).exists()


@pytest.mark.parametrize(
    ("made", "outcome"), [(0, ""), (1, AnswerKind.UNDER_WAY), (0, AnswerKind.TRANSIENT)], ids=["new", "202", "retried"]
)
def test_a_revert_that_may_well_work_is_left_alone(made: int, outcome: str) -> None:
    story = reverting(attempts_made=made)
    Call.objects.get().attempts.create(url="https://pay.example/", started_at=story.now, outcome=outcome)
    with pytest.raises(IllegalTransition, match="under way"):
        mark(story)
    assert (story.due(), story.task("pay").status) == ([("revert", "pay")], "reverting")


@pytest.mark.parametrize("status", sorted(set(TaskStatus) - {TaskStatus.REVERT_FAILED, TaskStatus.REVERTING}))
def test_no_other_task_can_be_marked(status: str) -> None:
    story = stuck()
    task = story.task("pay")
    task.status = status
    task.save()
    with pytest.raises(IllegalTransition):
        mark(story)
    assert story.task("pay").status == status


@pytest.mark.parametrize("note", ["", "  \n\t ", "\x00\u202e\u200b", "x" * (LONGEST_NOTE + 1)])
def test_without_a_note_that_can_be_read_nothing_is_recorded(note: str) -> None:
    story = stuck()
    with pytest.raises(Invalid):
        mark(story, note=note)
    assert story.task("pay").status == "revertFailed"


def test_a_note_is_kept_as_one_clean_line() -> None:
    story = stuck()
    mark(story, note="  Refunded\x00\r\nby \u202ephone \ud800 " + "é" * 400)
    note = JobEvent.objects.get(job_id=story.job_id, actor="ann", kind="task.status").data["note"]
    assert note == "Refunded by phone " + "é" * 400


def test_what_is_not_there_is_not_found() -> None:
    story = stuck()
    for job_id, task_id in ((uuid.uuid4(), story.ids["pay"]), (story.job_id, uuid.uuid4())):
        with pytest.raises(NotFound):
            mark_undone(job_id, task_id, "ann", note=NOTE, now=story.now)


def test_late_work_on_what_was_undone_by_hand_is_recorded_and_not_reverted_again() -> None:
    story = queued(status="working", cancel_url="")
    mark(story)
    with pytest.raises(JobCancelled):
        story.patch_task("pay", status="completed")
    assert (story.task("pay").status, story.task("pay").late_at) == ("reverted", story.now)
    assert (story.due(), story.job.status) == ([], "cancelled")


def test_a_late_task_that_could_not_be_reverted_can_be_marked_on_a_job_that_has_ended() -> None:
    story = Story()
    story.put_job(max_ttl=30)
    deadlines.expire_due(story.after(60))
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed")
    story.answer("revert", "pay", done=False, outcome="refused")
    assert (story.job.status, story.task("pay").status) == ("cancelled", "revertFailed")
    assert mark(story).status == "cancelled"
    assert story.task("pay").status == "reverted"


def test_the_rest_goes_on_when_what_it_waited_for_was_marked() -> None:
    story = Story()
    story.put_job(max_ttl=30)
    story.chain("cart", "pay")
    deadlines.expire_due(story.after(60))
    Call.objects.update(attempts_made=1)
    Call.objects.get().attempts.create(url="https://pay.example/", started_at=story.now, outcome="transient")
    assert mark(story).status == "cancelling"
    assert story.due() == [("revert", "cart")]


@pytest.mark.django_db(transaction=True)
def test_of_two_operators_at_once_one_marks_it() -> None:
    for _ in range(5):
        story = stuck()
        results = at_once(*[partial(mark, story, by=by) for by in ("ann", "bob", "eve")])
        assert sorted(isinstance(result, IllegalTransition) for result in results) == [False, True, True]
        assert JobEvent.objects.filter(job_id=story.job_id, data__has_key="note").count() == 1
        assert story.job.status == "cancelled"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("done", [True, False])
def test_the_answer_of_a_running_call_and_the_operator_have_one_winner(done: bool) -> None:
    for _ in range(5):
        story = reverting(attempts_made=1)
        call, token = claim(story)
        Call.objects.get().attempts.create(url="https://pay.example/", started_at=story.now, outcome="transient")

        def answer(call: int = call, token: uuid.UUID = token, story: Story = story) -> bool:
            return undo.settle_call(call, token, done=done, outcome="done" if done else "gave-up", now=story.now)

        marked, answered = at_once(partial(mark, story), answer)
        assert (story.task("pay").status, story.job.status) == ("reverted", "cancelled")
        ended = JobEvent.objects.filter(job_id=story.job_id, kind="task.status", data__new="reverted")
        assert ended.count() == 1
        assert isinstance(marked, Job) or (done and answered is True)
        Job.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_a_retry_and_a_mark_at_once_leave_no_call_for_a_task_that_is_undone() -> None:
    for _ in range(8):
        story = stuck()
        marked, retried = at_once(partial(mark, story), partial(retry_reverts, story.job_id, "bob", now=story.now))
        assert isinstance(marked, ChoreoError) != isinstance(retried, ChoreoError)
        undone = isinstance(retried, ChoreoError)
        assert story.task("pay").status == ("reverted" if undone else "reverting")
        assert story.due() == ([] if undone else [("revert", "pay")])
        assert story.job.status == ("cancelled" if undone else "cancelling")
