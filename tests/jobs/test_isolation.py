"""One bad service costs the others little: within a job (what it keeps waiting) and between jobs (who makes calls)."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from pytest_django import Settings

from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import CALL_OPEN, CallStatus, JobStatus, TaskStatus
from jobs.models import Call, Job, Service, Task
from jobs.services import callers, undo
from jobs.services.accounts import ensure_service
from jobs.services.calls import LEASE
from jobs.services.clock import database_now
from jobs.services.deadlines import audit, release_holds
from jobs.services.job_reports import request_cancellation, write_job
from jobs.services.task_reports import write_task
from jobs.services.undo import HOLD, HOLD_UNDER_WAY
from tests.jobs.calls_peer import Behaviour, Peer, hang, running_peer, status
from tests.jobs.calls_scene import Scene, running_scene
from tests.jobs.scenario import Story


def claimed(story: Story, at: datetime | None = None) -> None:
    """A worker has begun all that is due, and hangs."""
    for call in Call.objects.filter(status=CallStatus.PENDING):
        lease = (at or story.now) + LEASE
        values = {"status": CallStatus.RUNNING, "lease_token": uuid4(), "lease_until": lease, "slot": call.pk % 30_000}
        Call.objects.filter(pk=call.pk).update(**values)


@pytest.fixture
def story(db: None) -> Story:
    """Four tasks, each caused by the one before, whose job is being undone: the last one's revert is due."""
    story = Story()
    story.put_job()
    story.chain("cart", "tax", "pay", "ship")
    request_cancellation(story.job_id, story.service("cart"), precondition=NO_PRECONDITION, now=story.after(1))
    assert story.due() == [("revert", "ship")]
    return story


def pass_by(story: Story) -> None:
    """What is due has failed once, and is not waited for any more."""
    Call.objects.filter(status=CallStatus.PENDING).update(attempts_made=1)
    assert release_holds(story.after(3)) == 1


def test_what_hangs_keeps_its_cause_waiting_for_three_seconds(story: Story) -> None:
    claimed(story)
    assert release_holds(story.after(HOLD.total_seconds() - 0.001)) == 0
    assert story.due() == []
    assert release_holds(story.after(0.001)) == 1
    assert story.due() == [("revert", "pay")]
    assert release_holds(story.now) == 0


def test_what_stands_in_line_at_a_service_that_works_keeps_its_place_in_the_order(story: Story) -> None:
    assert release_holds(story.after(30)) == 0
    claimed(story)
    assert release_holds(story.after(2.9)) == 0
    assert release_holds(story.after(0.1)) == 1


@pytest.mark.parametrize("trouble", ["a failed attempt", "the service fails", "another call hangs", "a minute"])
def test_what_stands_in_line_at_a_service_in_trouble_is_not_waited_for(story: Story, trouble: str) -> None:
    call = Call.objects.get()
    if trouble == "a failed attempt":
        Call.objects.update(attempts_made=1)
    elif trouble == "the service fails":
        Service.objects.filter(name="ship").update(failing_since=story.now)
    elif trouble == "another call hangs":
        job = other_job(story)
        other = Task.objects.create(
            job=job,
            task_id=uuid4(),
            service=call.service,
            name="x",
            status="reverting",
            created_at=story.now,
            updated_at=story.now,
        )
        Call.objects.create(
            job=job, task=other, service=call.service, action="revert", next_at=story.now, created_at=story.now
        )
        Call.objects.filter(task=other).update(
            status="running", slot=0, lease_token=uuid4(), lease_until=story.now + LEASE
        )
    story.after(63 if trouble == "a minute" else 3)
    assert release_holds(story.now) == 1
    assert ("revert", "pay") in story.due()


def other_job(story: Story) -> Job:
    other = Story()
    other.put_job()
    return other.job


def test_what_is_undone_in_time_lets_go_on_at_once_and_in_order(story: Story) -> None:
    waves = story.answer_all()
    assert waves == [[("revert", name)] for name in ("ship", "pay", "tax", "cart")]
    assert release_holds(story.after(60)) == 0


def test_the_job_ends_only_when_the_one_that_was_passed_by_has_ended(story: Story) -> None:
    pass_by(story)
    for name in ("pay", "tax", "cart"):
        story.answer("revert", name)
    assert story.job.status == JobStatus.CANCELLING
    story.answer("revert", "ship", done=False, outcome="gave-up")
    assert story.job.status == JobStatus.REVERT_FAILED


def test_a_cancel_that_hangs_keeps_the_reverts_waiting_no_longer(db: None) -> None:
    story = Story()
    story.put_job()
    story.chain("cart", "tax")
    story.put_task("pay", cause="tax", status="working")
    request_cancellation(story.job_id, story.service("cart"), precondition=NO_PRECONDITION, now=story.after(1))
    assert story.due() == [("cancel", "pay")]
    pass_by(story)
    assert story.due() == [("cancel", "pay"), ("revert", "tax")]
    story.answer("revert", "tax")
    story.answer("cancel", "pay")
    assert story.due() == [("revert", "cart"), ("revert", "pay")]  # in order for each task: first stopped, then undone


def test_several_tasks_of_one_bad_service_cost_the_others_three_seconds_once(db: None) -> None:
    story = Story()
    story.put_job()
    story.chain("cart")
    for name, cause in (("a", "cart"), ("b", "a"), ("c", "b")):
        story.after(1)
        story.put_task(name, by="bad", cause=cause, status="completed")
    request_cancellation(story.job_id, story.service("cart"), precondition=NO_PRECONDITION, now=story.after(1))
    assert story.due() == [("revert", "c")]
    pass_by(story)
    assert story.due() == [("revert", name) for name in ("a", "b", "c", "cart")]


def test_an_audit_leaves_a_job_alone_whose_calls_wait_in_the_queue(story: Story) -> None:
    Call.objects.update(status="queued", queued_at=story.now, give_up_at=story.after(60), holds_until=None)
    assert audit(story.now) == 0


@pytest.fixture
def scene(settings: Settings, db: None) -> Iterator[Scene]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_scene() as running:
        yield running


def pair(scene: Scene, last: Behaviour) -> tuple[Call, Task]:
    """A first task, done well, and a second one that it caused, whose revert is answered like this."""
    first = scene.task(name="first", revert_url=scene.peer.plays(status(200), path="/first"))
    scene.clock.on(seconds=1)
    scene.task(name="last", caused_by=first.task_id, revert_url=scene.peer.plays(last, path="/last"))
    scene.cancel()
    return Call.objects.get(), first


def test_what_is_queued_keeps_nothing_waiting(scene: Scene) -> None:
    call, first = pair(scene, status(503, retry_after="3600"))
    scene.run(limit=1)
    call.refresh_from_db()
    first.refresh_from_db()
    assert (call.status, call.holds_until) == (CallStatus.QUEUED, None)
    assert first.status == TaskStatus.REVERTING
    Service.objects.update(failing_since=None)
    scene.run()
    first.refresh_from_db()
    assert first.status == TaskStatus.REVERTED
    assert scene.job.status == JobStatus.CANCELLING


def test_a_service_at_work_on_it_may_keep_it_waiting_for_longer(scene: Scene) -> None:
    call, first = pair(scene, status(202))
    began = scene.clock.now
    scene.run(limit=1)
    call.refresh_from_db()
    assert call.holds_until == began + HOLD_UNDER_WAY
    assert release_holds(scene.clock.on(seconds=59)) == 0
    assert release_holds(scene.clock.on(seconds=1)) == 1
    first.refresh_from_db()
    assert first.status == TaskStatus.REVERTING


def test_a_202_does_not_keep_waiting_what_goes_on_already(scene: Scene) -> None:
    call, _ = pair(scene, status(202))
    Call.objects.update(attempts_made=1)
    assert release_holds(scene.clock.on(seconds=3)) == 1
    Call.objects.update(attempts_made=0)
    scene.run(limit=1)
    call.refresh_from_db()
    assert call.holds_until is None


def job_with_revert(name: str, peer: Peer, behaviour: Behaviour) -> UUID:
    """A job of this service whose one task's revert is due now."""
    service, job_id, now = ensure_service(name), uuid4(), database_now()
    fields = dict.fromkeys(("status", "description", "max_ttl", "on_task_failure", "plan")) | {"name": name}
    write_job(job_id, service, fields, create=True, precondition=NO_PRECONDITION, now=now)
    task = {"name": name, "status": "completed", "revert_url": peer.plays(behaviour, path=f"/{name}")}
    write_task(job_id, uuid4(), service, task, create=True, traceparent="", precondition=NO_PRECONDITION, now=now)
    request_cancellation(job_id, service, precondition=NO_PRECONDITION, now=now)
    return job_id


@pytest.mark.django_db(transaction=True)
def test_a_service_that_hangs_leaves_the_threads_to_the_others(settings: Settings) -> None:
    """Thirty reverts at a service that never answers come first; twenty at another are all made meanwhile."""
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    settings.CHOREO_CALL_THREADS = 6
    with running_peer() as bad, running_peer() as good:
        for _ in range(30):
            job_with_revert("bad", bad, hang)
        jobs = [job_with_revert("good", good, status(200)) for _ in range(20)]
        began = database_now()
        while Call.objects.filter(service__name="good", status__in=CALL_OPEN).exists():
            callers.start(database_now)
            callers.wait_for_one(1.0)
        assert database_now() - began < timedelta(seconds=5)
        assert set(Job.objects.filter(pk__in=jobs).values_list("status", flat=True)) == {JobStatus.CANCELLED}
        assert len(bad.requests) <= settings.CHOREO_CALLS_PER_SERVICE
        bad.over.set()
        assert callers.drain(20)


@pytest.mark.django_db(transaction=True)
def test_a_service_that_comes_back_is_not_stormed(settings: Settings) -> None:
    """Forty reverts fall due at once: the service never has more than its few at the same time, the first
    of them alone, and each is made once."""
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    settings.CHOREO_CALLS_PER_SERVICE = 3
    counter = Counter()
    with running_peer() as peer:
        for _ in range(40):
            job_with_revert("pay", peer, counter.play)
        Service.objects.update(failing_since=database_now())
        while Call.objects.filter(status__in=CALL_OPEN).exists():
            callers.start(database_now)
            callers.wait_for_one(1.0)
        assert callers.drain(20)
    assert 1 < counter.most <= 3
    assert counter.alone_at_first
    assert len(peer.requests) == 40
    assert set(Call.objects.values_list("status", flat=True)) == {CallStatus.DONE}


class Counter:
    """A service that takes a moment for each call, and notes how many it had at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.served = 0
        self.alone_at_first = True

    def play(self, handler: object, peer: Peer) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.alone_at_first = self.alone_at_first and (self.served > 0 or self.now == 1)
        peer.over.wait(0.02)
        with self.lock:
            self.now -= 1
            self.served += 1
        status(200)(handler, peer)  # type: ignore[arg-type]  # the peer's own handler


def test_the_plan_is_told_which_calls_hold(story: Story) -> None:
    connection.ensure_connection()
    assert undo.facts(story.task("ship")).holds
    pass_by(story)
    assert not undo.facts(story.task("ship")).holds
    assert undo.facts(story.task("pay")).holds
