"""Races with real threads: on PostgreSQL row locks decide, on SQLite its one writer at a time.

Each race is run a few times by default, and often enough to prove something when the proofs are asked for.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import Count

from jobs.models import Call, Job, JobEvent, Task
from jobs.services import deadlines
from jobs.services.accounts import ensure_service
from tests.concurrency.threads import Answer, Wire, at_once, kept_connections, later
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db(transaction=True)

BOTH_WON = 50
"""How often of 1,000 times each side must have won: else the two never met, and nothing was proved."""


def few_or(many: int) -> pytest.MarkDecorator:
    """How often a race is run: a few times in every run of the tests, `many` times in the proof."""
    proof = pytest.param(many, marks=[pytest.mark.proof, pytest.mark.timeout(1500)])
    return pytest.mark.parametrize("rounds", [10, proof])


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    with kept_connections():
        yield


@pytest.fixture
def wire() -> Wire:
    made = Wire()
    made.know("cart", "pay")
    return made


def moves(of: Job | Task) -> list[tuple[str, str]]:
    """Every change of status in its history, as (old, new)."""
    kind = "job.status" if isinstance(of, Job) else "task.status"
    return [(event.data["old"], event.data["new"]) for event in of.events.filter(kind=kind)]


def assert_reverted_once(task: Task) -> None:
    """One call, one key, and one way through the reverting: whatever came late, and how often."""
    assert task.status == "reverted"
    assert task.calls.filter(action="revert").count() == 1
    news = Counter(new for _, new in moves(task))
    assert (news["reverting"], news["reverted"]) == (1, 1)


def test_of_two_that_create_the_same_job_one_creates_it() -> None:
    for _ in range(20):
        story = Story()
        story.service("cart")
        first, second = at_once(story.put_job, story.put_job)
        assert {first.created, second.created} == {True, False}
        assert JobEvent.objects.filter(job_id=story.job_id).count() == 1


def test_of_two_that_report_the_same_task_one_creates_it() -> None:
    for _ in range(20):
        story = Story()
        story.put_job()
        story.service("tax")
        story.ids["tax"] = uuid.uuid4()
        first, second = at_once(lambda s=story: s.put_task("tax"), lambda s=story: s.put_task("tax"))  # type: ignore[misc]
        assert {first.created, second.created} == {True, False}


@few_or(1000)
def test_finish_against_max_ttl_has_one_winner_and_no_finished_job_is_reverted(wire: Wire, rounds: int) -> None:
    chance, won = random.Random(1), Counter[str]()
    story = Story()
    for _ in range(rounds):
        story = Story(now=story.after(100))
        won[_finish_against_max_ttl(story, wire, chance)] += 1
    print(f"{rounds} times finish against max TTL: {dict(won)}")
    assert rounds < 1000 or min(won["finish"], won["maxTTL"]) >= BOTH_WON


def _finish_against_max_ttl(story: Story, wire: Wire, chance: random.Random) -> str:
    story.put_job(max_ttl=5)
    story.chain("tax", "pay")
    late = story.after(10)
    members = {"jobName": "checkout", "jobMaxTTL": 5, "jobStatus": "completed"}
    answer, expired = at_once(
        later(chance.randrange(4), lambda: wire.put("cart", f"jobs/{story.job_id}", members)),
        later(chance.randrange(24), lambda: deadlines.expire_due(late)),
    )
    if answer.status == 200:
        assert expired == 0
        assert moves(story.job) == [("working", "completed")]
        assert Call.objects.filter(job_id=story.job_id).count() == 0
        assert set(story.statuses().values()) == {"completed"}
        return "finish"
    assert (answer.status, answer.problem, expired) == (409, "illegal-transition", 1)
    assert story.answer_all() == [[("revert", "pay")], [("revert", "tax")]]
    assert moves(story.job) == [("working", "cancelling"), ("cancelling", "cancelled")]
    for name in ("tax", "pay"):
        assert_reverted_once(story.task(name))
    return "maxTTL"


@few_or(1000)
def test_cancel_against_a_late_completion_reverts_what_was_done_exactly_once(wire: Wire, rounds: int) -> None:
    chance, won = random.Random(2), Counter[str]()
    for position in range(rounds):
        story = Story()
        story.put_job()
        story.chain("cart")
        first_word = [{"cancel_url": "https://pay.example/"}, {"cancel_url": ""}, None][position % 3]
        won[_cancel_against_completion(story, wire, chance, first_word)] += 1
    print(f"{rounds} times cancel against a late completion: {dict(won)}")
    assert rounds < 1000 or min(won["cancel"], won["completion"]) >= BOTH_WON


def _cancel_against_completion(story: Story, wire: Wire, chance: random.Random, first_word: Any) -> str:
    """`first_word`: what was said of the task `pay` when it began; None when its completion is the first word."""
    path = f"jobs/{story.job_id}/tasks/{story.ids.setdefault('pay', uuid.uuid4())}"
    members = {"taskName": "pay", "taskStatus": "completed", "taskRevertURL": "https://pay.example/undo"}
    if first_word is not None:
        story.put_task("pay", cause="cart", **first_word)

    def complete() -> Answer:
        return wire.put("pay", path, members)

    cancelled, *completions = at_once(
        later(chance.randrange(8), lambda: wire.put("cart", f"jobs/{story.job_id}/cancellation", {})),
        later(chance.randrange(8), complete),
        later(chance.randrange(16), complete),
    )
    assert cancelled.status == 202
    story.answer_all()
    completions.append(complete())  # once more, when all is over
    assert {(answer.status, answer.problem) for answer in completions[2:]} == {(409, "job-cancelled")}
    assert {(a.status, a.problem) for a in completions} <= {(200, ""), (201, ""), (409, "job-cancelled")}
    assert story.due() == []
    assert moves(story.job) == [("working", "cancelling"), ("cancelling", "cancelled")]
    for name in ("cart", "pay"):
        assert_reverted_once(story.task(name))
    in_time = any(answer.status < 300 for answer in completions)
    assert (story.task("pay").late_at is None) == in_time
    return "completion" if in_time else "cancel"


def test_of_two_that_cancel_at_once_and_a_sweep_one_begins_the_undoing(wire: Wire) -> None:
    chance = random.Random(3)
    for _ in range(5):
        story = Story()
        story.put_job(max_ttl=5)
        story.chain("tax", "pay")
        late = story.after(10)
        cancel = partial(wire.put, "cart", f"jobs/{story.job_id}/cancellation", {})
        swept = later(chance.randrange(16), partial(deadlines.expire_due, late))
        first, second, expired = at_once(later(2, cancel), later(2, cancel), swept)
        assert (first.status, second.status) == (202, 202)
        assert expired == (story.job.reason == "maxTTL")
        assert moves(story.job) == [("working", "cancelling")]
        story.answer_all()
        for name in ("tax", "pay"):
            assert_reverted_once(story.task(name))


@pytest.mark.parametrize(
    ("due", "sweepers"), [(40, 4), pytest.param(10_000, 8, marks=[pytest.mark.proof, pytest.mark.timeout(1500)])]
)
def test_overlapping_sweeps_cancel_each_job_once(due: int, sweepers: int) -> None:
    now = _due_jobs(due)
    counts = at_once(*[lambda: _sweep_until_nothing_is_left(now, due)] * sweepers, seconds=1200)
    print(f"{sweepers} sweepers on {due} due jobs: {counts}")
    assert sum(counts) == due
    assert Job.objects.filter(status="cancelling").count() == Call.objects.count() == due
    begun = JobEvent.objects.filter(kind="job.status", cause="jobMaxTTL", data__new="cancelling")
    assert begun.count() == begun.values("job").distinct().count() == due
    assert not Job.objects.annotate(calls_made=Count("calls")).exclude(calls_made=1).exists()
    assert due < 10_000 or min(counts) > 0


def _due_jobs(count: int) -> Any:
    """So many jobs over their max TTL, each with one completed task to revert; the time by which they are."""
    story, service = Story(), ensure_service("cart")
    start, deadline = story.now, story.now + timedelta(seconds=5)
    dates = {"created_at": start, "updated_at": start, "started_at": start}
    made = [
        Job(id=uuid.uuid4(), owner=service, name="checkout", max_ttl=5, status="working", deadline_at=deadline, **dates)
        for _ in range(count)
    ]
    Job.objects.bulk_create(made, batch_size=500)
    done = {"service": service, "name": "pay", "status": "completed", "revert_url": "https://pay.example/"}
    Task.objects.bulk_create(
        [Task(job=job, task_id=uuid.uuid4(), stopped_at=start, **done, **dates) for job in made], batch_size=500
    )
    return deadline


def _sweep_until_nothing_is_left(now: Any, most: int) -> int:
    total = 0
    for _ in range(most):
        expired = deadlines.expire_due(now, seconds=5)
        total += expired
        if not expired:
            break
    return total
