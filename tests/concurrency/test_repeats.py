"""What a network does to a story that is cancelled: repeats, other orders, and words that come too late. No threads:
every order, one word after the other."""

from contextlib import suppress
from itertools import permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.domain.errors import JobCancelled, StatusRegression
from jobs.domain.events import EventKind
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.models import Call, JobEvent, Task
from jobs.services.job_reports import request_cancellation
from jobs.services.task_reports import write_task
from jobs.services.undo import NOTHING_TO_UNDO
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db

WORDS = ("cancel", "answer", "tax working", "tax completed", "pay working", "pay completed")


def begun() -> Story:
    """A job of which nothing else is known yet."""
    story = Story()
    story.put_job()
    return story


def cancel(story: Story) -> None:
    request_cancellation(story.job_id, story.service("cart"), precondition=NO_PRECONDITION, now=story.now)


def hear(story: Story, word: str) -> None:
    """One word of the story arrives; what is refused is refused for one of two reasons."""
    story.after(1)
    if word == "cancel":
        cancel(story)
    elif word == "answer":
        for action, name in story.due()[:1]:
            story.answer(action, name)
    else:
        name, status = word.split()
        with suppress(JobCancelled, StatusRegression):
            story.put_task(name, status=status)


def assert_undone_once(task: Task) -> None:
    """It began and left something behind: one call, one way through the reverting."""
    begun = task.events.filter(kind=EventKind.TASK_STATUS, data__new="reverting")
    assert (task.status, begun.count(), Call.objects.filter(task=task, action="revert").count()) == ("reverted", 1, 1)


@settings(max_examples=25)
@given(words=st.lists(st.sampled_from(WORDS), max_size=12))
@example(words=["cancel", "pay working", "pay completed", "answer", "pay completed"])
@example(words=["tax working", "cancel", "tax completed", "answer", "tax completed", "answer", "tax completed"])
@example(words=["pay completed", "cancel", "answer", "pay completed", "pay working"])
def test_whatever_is_heard_around_a_cancel_everything_done_is_undone_once(words: list[str]) -> None:
    story = begun()
    for word in [*words, "cancel"]:
        hear(story, word)
    story.answer_all()
    for word in words:  # and all of it once more, when everything is over
        hear(story, word)
    story.answer_all()
    assert story.job.status == "cancelled"
    heard = {word.split()[0] for word in words if word.endswith("completed")}
    stored = {task.name: task for task in Task.objects.filter(job_id=story.job_id)}
    assert heard <= set(stored)
    for task in stored.values():
        assert_undone_once(task)


@pytest.mark.parametrize("times", [1, 3])
def test_a_task_that_first_appears_after_its_cancel_is_refused_kept_and_reverted_once(times: int) -> None:
    story = begun()
    cancel(story)
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="working")
    assert not Task.objects.exists()
    for _ in range(times):
        with pytest.raises(JobCancelled):
            story.put_task("pay", status="completed")
    assert story.task("pay").late_at == story.now
    assert story.answer_all() == [[("revert", "pay")]]
    assert_undone_once(story.task("pay"))


def test_a_task_that_appears_while_the_cancel_is_under_way_joins_it() -> None:
    story = begun()
    story.chain("cart")
    story.put_task("tax", cause="cart")
    cancel(story)
    assert story.due() == [("cancel", "tax")]
    with pytest.raises(JobCancelled):
        story.put_task("pay", cause="tax", status="completed")
    waves = story.answer_all()
    assert waves == [[("cancel", "tax")], [("revert", "pay")], [("revert", "tax")], [("revert", "cart")]]
    assert story.job.status == "cancelled"


def test_a_repeat_of_what_was_known_in_time_is_not_late_work_and_reverts_nothing_again() -> None:
    story = begun()
    story.chain("pay")
    cancel(story)
    story.answer("revert", "pay", outcome=NOTHING_TO_UNDO)
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed")
    assert (story.task("pay").late_at, story.due()) == (None, [])
    assert_undone_once(story.task("pay"))
    assert not JobEvent.objects.filter(kind=EventKind.TASK_LATE).exists()


@pytest.mark.parametrize("order", list(permutations(["working", "cancelled"])))
def test_a_task_whose_end_overtook_its_beginning_is_reverted_all_the_same(order: tuple[str, ...]) -> None:
    story = begun()
    for status in order:
        with suppress(StatusRegression):
            story.put_task("pay", status=status)
    cancel(story)
    assert story.due() == [("revert", "pay")]


def test_a_task_that_was_cancelled_before_it_left_anything_behind_is_not_reverted() -> None:
    story = begun()
    story.put_task("pay", status="cancelled", state_changed=False)
    cancel(story)
    assert (story.due(), story.job.status) == ([], "cancelled")


def test_a_repeat_under_another_trace_changes_nothing() -> None:
    story = begun()
    story.put_task("pay")
    first = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    for trace in (first, first.replace("2", "3")):
        story.after(1)
        write_task(
            story.job_id,
            story.ids["pay"],
            story.service("pay"),
            {"name": "pay"},
            create=False,
            traceparent=trace,
            precondition=NO_PRECONDITION,
            now=story.now,
        )
    task = story.task("pay")
    assert (task.traceparent, (story.now - task.updated_at).total_seconds()) == (first, 1)
