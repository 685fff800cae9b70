"""Late work, wherever it meets the undoing: its effect is undone once, or a human is called.

The service here honours the idempotency key in full: to a repeat it gives the answer that it gave before, "nothing to
undo" included. The model (docs/model.md) has the same service.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import pytest

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.domain.errors import JobCancelled
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import JobStatus, TaskStatus
from jobs.models import Call, Task
from jobs.services import deadlines, outbound
from jobs.services.by_hand import mark_undone
from jobs.services.job_reports import retry_reverts
from jobs.services.outbound import CallFacts
from jobs.services.task_reports import write_task
from tests.jobs.calls_scene import Scene, running_scene

pytestmark = pytest.mark.django_db
K = AnswerKind
REVERT, CANCEL = "http://pay.example/revert", "http://pay.example/cancel"


class Service:
    """`effect` is whether its work stands; `next_answers` are given instead of its own, "lost" its own, unheard."""

    def __init__(self) -> None:
        self.made = self.effect = False
        self.undone = 0
        self.kept: dict[UUID, AnswerKind] = {}
        self.next_answers: list[AnswerKind | str] = []

    def __call__(self, url: str, facts: CallFacts, *, now: datetime, poll: bool) -> Answer:
        told = self.next_answers.pop(0) if self.next_answers else None
        if isinstance(told, AnswerKind):
            return Answer(told)
        answer = self.answer(facts)
        return Answer(K.TRANSIENT) if told == "lost" else Answer(answer)

    def answer(self, facts: CallFacts) -> AnswerKind:
        if facts.action == "cancel":
            return K.DONE
        if facts.idempotency_key not in self.kept:
            self.kept[facts.idempotency_key] = K.DONE if self.made else K.NOTHING
            self.undone += self.effect
            self.effect = False
        return self.kept[facts.idempotency_key]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with running_scene() as running:
        yield running


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(outbound, "send", service)
    return service


def call_until_quiet(scene: Scene) -> None:
    for _ in range(30):
        scene.clock.on(seconds=61)
        scene.run()


def done_late(scene: Scene, task: Task, service: Service, **more: object) -> None:
    """The service did its work after all, and says so."""
    service.made = service.effect = True
    values = {"status": "completed", **more}
    for _ in range(2):  # the second is a repeat, and changes nothing
        with pytest.raises(JobCancelled):
            write_task(
                scene.job_id,
                task.task_id,
                scene.service,
                values,
                create=False,
                traceparent="",
                precondition=NO_PRECONDITION,
                now=scene.clock.on(seconds=1),
            )


def check_undone(scene: Scene, task: Task, service: Service) -> None:
    task.refresh_from_db()
    assert (service.effect, service.undone, task.status) == (False, 1, TaskStatus.REVERTED)
    assert scene.job.status == JobStatus.CANCELLED


def test_nothing_to_undo_whose_answer_was_lost_does_not_count_for_what_came_since(
    scene: Scene, service: Service
) -> None:
    task = scene.task("working", revert_url=REVERT)
    scene.cancel()
    service.next_answers = ["lost"]
    scene.run(limit=1)
    done_late(scene, task, service)
    call_until_quiet(scene)
    check_undone(scene, task, service)


def test_nor_does_it_after_an_operators_retry(scene: Scene, service: Service) -> None:
    task = scene.task("working", revert_url=REVERT)
    scene.cancel()
    service.next_answers = ["lost", K.REFUSED]
    call_until_quiet(scene)
    assert scene.job.status == JobStatus.REVERT_FAILED
    done_late(scene, task, service)
    retry_reverts(scene.job_id, "ann", now=scene.clock.on(seconds=1))
    call_until_quiet(scene)
    check_undone(scene, task, service)


def test_work_that_comes_late_to_a_task_that_could_not_be_cancelled_is_reverted_by_a_retry(
    scene: Scene, service: Service
) -> None:
    task = scene.task("working", revert_url=REVERT, cancel_url=CANCEL, state_changed=False)
    scene.cancel()
    service.next_answers = [K.REFUSED]
    scene.run(limit=1)
    assert scene.job.status == JobStatus.REVERT_FAILED
    done_late(scene, task, service, state_changed=True)
    retry_reverts(scene.job_id, "ann", now=scene.clock.on(seconds=1))
    call_until_quiet(scene)
    check_undone(scene, task, service)


def test_a_task_over_its_max_ttl_may_still_have_done_its_work(scene: Scene, service: Service) -> None:
    task = scene.task("working", revert_url=REVERT, max_ttl=5)
    deadlines.expire_due(scene.clock.on(seconds=6))
    call_until_quiet(scene)
    task.refresh_from_db()
    assert task.status == TaskStatus.REVERTED
    done_late(scene, task, service)
    call_until_quiet(scene)
    task.refresh_from_db()
    assert (service.effect, service.undone, task.status) == (False, 1, TaskStatus.REVERTED)


def test_work_that_comes_after_it_was_marked_undone_by_hand_calls_a_human_once(scene: Scene, service: Service) -> None:
    task = scene.task("working", revert_url=REVERT)
    scene.cancel()
    service.next_answers = [K.REFUSED]
    scene.run(limit=1)
    mark_undone(scene.job_id, task.task_id, "ann", note="Nothing there", now=scene.clock.on(seconds=1))
    done_late(scene, task, service)
    call_until_quiet(scene)
    entry = task.events.exclude(cause="").get(kind="task.late")
    assert (entry.cause, entry.data["title"]) == ("haltingError", "pay was done after it was marked undone by hand")
    assert service.undone == 0
    assert Call.objects.filter(task=task, action="revert", status="pending").count() == 0
