"""Jobs that go over their max TTL, are cancelled, fail, and come too late."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.domain.errors import IllegalTransition, JobCancelled, NotAllowed, StatusRegression
from jobs.domain.events import Cause
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.models import Call, Job, JobEvent, Task
from jobs.services import deadlines, undo
from jobs.services.job_reports import cancel_as_operator, request_cancellation, retry_reverts
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story()


def causes(story: Story) -> list[str]:
    return list(JobEvent.objects.filter(job_id=story.job_id).exclude(cause="").values_list("cause", flat=True))


def test_a_job_is_never_cancelled_early_and_always_at_its_deadline(story: Story) -> None:
    story.put_job(max_ttl=30)
    deadline = story.now + timedelta(seconds=30)
    assert deadlines.expire_due(deadline - timedelta(microseconds=1)) == 0
    assert story.job.status == "working"
    assert deadlines.expire_due(deadline) == 1
    assert (story.job.status, story.job.reason, causes(story)) == ("cancelled", "maxTTL", [Cause.JOB_MAX_TTL])
    assert deadlines.expire_due(deadline) == 0


def test_over_the_max_ttl_working_tasks_are_cancelled_and_changed_state_is_reverted_from_the_end(story: Story) -> None:
    story.put_job()
    story.chain("cart", "tax", "pay")
    story.put_task("ship", cause="pay", state_changed=False)
    story.after(60)
    deadlines.expire_due(story.now)
    assert story.job.status == "cancelling"
    assert story.answer_all() == [
        [("cancel", "ship")],
        [("revert", "pay")],
        [("revert", "tax")],
        [("revert", "cart")],
    ]
    assert story.job.status == "cancelled"
    assert story.statuses() == {"cart": "reverted", "tax": "reverted", "pay": "reverted", "ship": "cancelled"}


def test_what_cannot_be_reverted_leaves_the_job_revert_failed_and_calls_for_help(story: Story) -> None:
    story.put_job()
    story.chain("cart", "tax", "pay")
    deadlines.expire_due(story.after(60))
    assert story.answer_all(failing=("tax",)) == [[("revert", "pay")], [("revert", "tax")], [("revert", "cart")]]
    assert (story.job.status, story.task("tax").status) == ("revertFailed", "revertFailed")
    assert causes(story) == [Cause.JOB_MAX_TTL, Cause.REVERT_FAILED]


def test_an_operators_retry_reverts_what_was_left_under_the_same_key(story: Story) -> None:
    story.put_job()
    story.chain("cart", "tax")
    deadlines.expire_due(story.after(60))
    story.answer_all(failing=("cart", "tax"))
    keys = set(Call.objects.values_list("idempotency_key", flat=True))
    retry_reverts(story.job_id, "admin", now=story.now)
    assert story.answer_all() == [[("revert", "tax")], [("revert", "cart")]]
    assert story.job.status == "cancelled"
    assert set(Call.objects.values_list("idempotency_key", flat=True)) == keys
    with pytest.raises(IllegalTransition):
        retry_reverts(story.job_id, "admin", now=story.now)


def test_a_retry_asks_a_task_that_would_not_stop_to_stop_again(story: Story) -> None:
    story.put_job()
    story.put_task("ship", state_changed=False)
    cancel_as_operator(story.job_id, "admin", now=story.now)
    story.answer("cancel", "ship", done=False, outcome="refused")
    assert (story.task("ship").status, story.job.status) == ("revertFailed", "revertFailed")
    retry_reverts(story.job_id, "admin", now=story.now)
    assert story.answer_all() == [[("cancel", "ship")]]
    assert story.job.status == "cancelled"


@pytest.mark.parametrize(
    ("reason", "end"),
    [("cancellation", "cancelled"), ("taskFailed", "failed"), ("taskMaxTTL", "failed"), ("jobFailed", "failed")],
)
def test_what_begins_the_undoing_decides_how_it_ends(story: Story, reason: str, end: str) -> None:
    story.put_job()
    story.chain("cart")
    story.put_task("tax", max_ttl=5, state_changed=False)
    if reason == "cancellation":
        cancel_as_operator(story.job_id, "admin", now=story.now)
    elif reason == "taskFailed":
        story.patch_task("tax", status="failed")
    elif reason == "taskMaxTTL":
        deadlines.expire_due(story.after(5))
    else:
        story.patch_job(status="failed")
    story.answer_all()
    assert (story.job.status, story.job.reason) == (end, reason)
    assert story.task("cart").status == "reverted"


def test_in_alert_mode_a_failed_task_only_calls_for_help(story: Story) -> None:
    story.put_job(on_task_failure="alert")
    story.put_task("tax")
    story.patch_task("tax", status="failed")
    assert (story.job.status, causes(story), story.due()) == ("working", [Cause.TASK_FAILED], [])
    story.patch_job(status="failed")
    assert (story.job.status, story.job.reason, story.due()) == ("failed", "", [])


def test_cancelling_twice_gives_the_same_answer(story: Story) -> None:
    story.put_job()
    story.chain("cart")
    cart = story.service("cart")
    first = request_cancellation(story.job_id, cart, precondition=NO_PRECONDITION, now=story.now)
    second = request_cancellation(story.job_id, cart, precondition=NO_PRECONDITION, now=story.after(1))
    assert (first.status, first.version) == (second.status, second.version)
    story.answer_all()
    assert request_cancellation(story.job_id, cart, precondition=NO_PRECONDITION, now=story.now).status == "cancelled"


def test_a_completed_job_cannot_be_cancelled(story: Story) -> None:
    story.put_job(status="completed")
    with pytest.raises(IllegalTransition) as caught:
        cancel_as_operator(story.job_id, "admin", now=story.now)
    assert caught.value.extra == {"jobStatus": "completed", "requested": "cancelling"}


def test_late_work_is_refused_recorded_and_reverted_once(story: Story) -> None:
    story.put_job()
    story.put_task("pay", state_changed=False)
    deadlines.expire_due(story.after(60))
    story.answer("cancel", "pay")
    assert story.job.status == "cancelled"
    for _ in range(3):
        with pytest.raises(JobCancelled) as caught:
            story.put_task("pay", status="completed", state_changed=True)
        assert caught.value.extra == {"jobStatus": "cancelled"}
    assert (story.due(), story.task("pay").late_at) == ([("revert", "pay")], story.now)
    story.answer_all()
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed", state_changed=True)
    assert (story.due(), story.task("pay").status, story.job.status) == ([], "reverted", "cancelled")


def test_work_that_was_reverted_already_is_not_reverted_again(story: Story) -> None:
    story.put_job()
    story.put_task("pay")
    deadlines.expire_due(story.after(60))
    story.answer_all()
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed")
    assert (story.due(), story.task("pay").status) == ([], "reverted")


def test_late_work_whose_revert_had_found_nothing_is_reverted_after_all(story: Story) -> None:
    story.put_job()
    story.put_task("pay")
    deadlines.expire_due(story.after(60))
    story.answer("cancel", "pay", outcome=undo.NOTHING_TO_UNDO)
    story.answer("revert", "pay", outcome=undo.NOTHING_TO_UNDO)
    assert story.task("pay").status == "reverted"
    old_key = Call.objects.get(action="revert").idempotency_key
    for _ in range(2):
        with pytest.raises(JobCancelled):
            story.put_task("pay", status="completed")
    assert story.due() == [("revert", "pay")]
    assert Call.objects.get(action="revert").idempotency_key != old_key
    story.answer_all()
    assert story.task("pay").status == "reverted"


def test_work_that_ends_while_its_revert_finds_nothing_is_called_again(story: Story) -> None:
    story.put_job()
    story.put_task("pay", cancel_url=None)
    deadlines.expire_due(story.after(60))
    call = Call.objects.get()
    call.attempts.create(url="https://pay.example/", started_at=story.now)
    call.status, call.lease_token, call.lease_until, call.slot = "running", story.job_id, story.now, 0
    call.save()
    story.after(1)
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed", cancel_url=None)
    assert undo.settle_call(call.pk, story.job_id, done=True, outcome=undo.NOTHING_TO_UNDO, now=story.now)
    assert story.due() == [("revert", "pay")]
    assert story.answer_all() == [[("revert", "pay")]]
    assert story.job.status == "cancelled"


def test_a_new_task_on_a_cancelled_job_is_refused_and_kept_only_if_it_did_something(story: Story) -> None:
    story.put_job()
    cancel_as_operator(story.job_id, "admin", now=story.now)
    with pytest.raises(JobCancelled):
        story.put_task("tax")
    assert not Task.objects.exists()
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed")
    assert story.due() == [("revert", "pay")]


def test_late_work_without_a_revert_url_calls_a_human(story: Story) -> None:
    story.put_job()
    cancel_as_operator(story.job_id, "admin", now=story.now)
    with pytest.raises(JobCancelled):
        story.put_task("pay", status="completed", revert_url=None)
    assert (story.task("pay").status, story.job.status) == ("revertFailed", "cancelled")
    assert causes(story) == [Cause.REVERT_FAILED]


@pytest.mark.parametrize("said", ["cancelled", "reverted", "failed"])
def test_a_service_that_stops_by_itself_saves_the_cancel_call(story: Story, said: str) -> None:
    story.put_job()
    story.put_task("tax", state_changed=False)
    cancel_as_operator(story.job_id, "admin", now=story.now)
    assert story.due() == [("cancel", "tax")]
    story.put_task("tax", status=said, state_changed=False)
    assert (story.due(), story.task("tax").status, story.job.status) == ([], said, "cancelled")


def test_a_claim_that_was_overtaken_by_the_services_own_report_records_nothing(story: Story) -> None:
    story.put_job()
    story.chain("tax")
    cancel_as_operator(story.job_id, "admin", now=story.now)
    Call.objects.update(status="running", slot=0, lease_token=story.job_id, lease_until=story.now)
    story.put_task("tax", status="reverted")
    assert story.job.status == "cancelled"
    call = Call.objects.get()
    assert not undo.settle_call(call.pk, story.job_id, done=False, outcome="refused", now=story.now)
    assert (call.status, call.outcome, story.task("tax").status) == ("done", "reported", "reverted")


def test_a_duplicate_of_an_older_report_changes_nothing(story: Story) -> None:
    story.put_job()
    story.put_task("tax")
    story.put_task("tax", status="completed")
    before = (story.job.version, story.task("tax").version, JobEvent.objects.count())
    with pytest.raises(StatusRegression):
        story.put_task("tax", status="working")
    story.put_task("tax", status="completed")
    assert (story.job.version, story.task("tax").version, JobEvent.objects.count()) == before


def test_only_the_owner_writes_the_job_and_only_its_service_a_task(story: Story) -> None:
    story.put_job()
    story.put_task("tax")
    with pytest.raises(NotAllowed):
        story.put_job(by="tax")
    with pytest.raises(NotAllowed):
        story.put_task("tax", by="cart")


def test_the_deadline_follows_the_max_ttl_and_waits_for_the_start(story: Story) -> None:
    story.put_job(status="pending", max_ttl=10)
    assert (story.job.deadline_at, deadlines.expire_due(story.after(999))) == (None, 0)
    story.patch_job(status="working")
    assert story.job.deadline_at == story.now + timedelta(seconds=10)
    story.patch_job(max_ttl=40)
    assert story.job.deadline_at == story.now + timedelta(seconds=40)
    started = story.job.started_at
    story.after(5)
    story.patch_job(status="completed")
    assert (story.job.started_at, story.job.stopped_at) == (started, story.now)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_job_may_first_appear_in_its_end(story: Story, status: str) -> None:
    assert story.put_job(status=status).created
    assert (story.job.status, story.job.stopped_at) == (status, story.now)


def test_the_audit_takes_up_a_job_that_stands_still(story: Story) -> None:
    story.put_job()
    story.chain("cart")
    cancel_as_operator(story.job_id, "admin", now=story.now)
    assert deadlines.audit(story.now) == 0
    Call.objects.all().delete()
    Task.objects.update(status="completed")
    assert deadlines.audit(story.now) == 1
    assert story.due() == [("revert", "cart")]


class AnyHistory(TestCase):
    """Whatever is reported, in whatever order and however often, a cancelled job comes to a whole end."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c"]), st.sampled_from(["working", "completed", "failed", "cancelled"])
            ),
            max_size=8,
        ),
        st.integers(0, 8),
    )
    def test_every_job_ends_with_each_task_undone_at_most_once(self, reports: list[tuple[str, str]], at: int) -> None:
        story = Story()
        story.put_job()
        for number, (name, status) in enumerate([*reports, ("a", "completed")]):
            if number == min(at, len(reports)):
                deadlines.expire_due(story.after(60))
            with contextlib.suppress(JobCancelled, StatusRegression, IllegalTransition):
                story.put_task(name, status=status)
        story.answer_all()
        job = Job.objects.get(pk=story.job_id)
        assert job.status in {"cancelled", "failed"}
        calls = list(Call.objects.filter(job=job).values_list("task_id", "action"))
        assert len(calls) == len(set(calls))
        changed = Task.objects.filter(job=job, started_at__isnull=False, state_changed=True)
        assert not changed.exclude(status="reverted").exists()
