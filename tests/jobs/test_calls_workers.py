"""Several workers at the same calls, each with a connection of its own."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from jobs import tasks
from jobs.domain.states import CallAction, CallStatus, JobStatus, TaskStatus
from jobs.models import Call, Job, Task
from jobs.services import callers, locks
from jobs.services.accounts import ensure_service
from jobs.services.calls import LEASE, run_due
from jobs.services.clock import database_now
from tests.jobs.calls_peer import Peer, running_peer, status

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_peer() as running:
        yield running


def due_calls(peer: Peer, count: int, at: datetime = NOW) -> list[Call]:
    """So many jobs, each with one task whose revert is due."""
    service = ensure_service("pay")
    url = peer.plays(status(200))
    made = []
    for number in range(count):
        job = Job.objects.create(
            id=uuid4(),
            owner=service,
            name="checkout",
            max_ttl=300,
            status=JobStatus.CANCELLING,
            reason="cancellation",
            on_task_failure="cancel",
            created_at=at,
            updated_at=at,
        )
        task = Task.objects.create(
            job=job,
            task_id=uuid4(),
            service=service,
            name="pay",
            status=TaskStatus.REVERTING,
            revert_url=url,
            created_at=at,
            updated_at=at,
            started_at=at,
        )
        due = at + timedelta(milliseconds=number)
        made.append(
            Call.objects.create(
                job=job,
                task=task,
                service=service,
                action=CallAction.REVERT,
                reason=job.reason,
                next_at=due,
                created_at=at,
            )
        )
    return made


def together(work: Sequence[Callable[[], object]]) -> None:
    """Run these in threads that start at once; what one of them raises is raised here."""
    start, errors = threading.Barrier(len(work)), list[BaseException]()

    def one(function: Callable[[], object]) -> None:
        try:
            start.wait()
            function()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_overlapping_workers_make_each_call_once(peer: Peer) -> None:
    made = due_calls(peer, 24)
    counts: list[int] = []
    later = NOW + timedelta(minutes=1)
    together([lambda: counts.append(run_due(lambda: later)) for _ in range(4)])
    assert sum(counts) == 24
    keys = Counter(request.headers["idempotency-key"] for request in peer.requests)
    assert keys == {str(call.idempotency_key): 1 for call in made}
    assert set(Call.objects.values_list("status", "outcome")) == {(CallStatus.DONE, "done")}
    assert set(Job.objects.values_list("status", flat=True)) == {JobStatus.CANCELLED}


def test_workers_of_one_job_do_not_lock_each_other_out(peer: Peer) -> None:
    """Many tasks of one job settle at the same time: each settling locks the job, none waits for ever."""
    first, *others = due_calls(peer, 12)
    for call in others:
        job_id, call.job_id, call.task.job_id = call.job_id, first.job_id, first.job_id
        call.task.save()
        call.save()
        Job.objects.filter(pk=job_id).delete()
    later = NOW + timedelta(minutes=1)
    together([lambda: run_due(lambda: later) for _ in range(4)])
    assert len(peer.requests) == 12
    assert Job.objects.get().status == JobStatus.CANCELLED


def test_a_call_that_another_is_at_is_passed_over(peer: Peer) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer at a time: no two can look for a due call at once")
    held, other = due_calls(peer, 2)
    found: list[Call | None] = []

    def claim() -> None:
        with transaction.atomic():
            found.append(locks.claim_call(NOW + LEASE, LEASE))

    with transaction.atomic():
        Call.objects.select_for_update().get(pk=held.pk)
        together([claim])
    assert found == [other]


def test_a_claim_is_for_one_until_it_runs_out(peer: Peer) -> None:
    due_calls(peer, 1)
    with transaction.atomic():
        mine = locks.claim_call(NOW, LEASE)
        assert mine is not None
        assert locks.claim_call(NOW + LEASE - timedelta(microseconds=1), LEASE) is None
        again = locks.claim_call(NOW + LEASE, LEASE)
        assert again == mine
        assert again is not None
        assert again.lease_token != mine.lease_token


def test_claims_come_in_the_order_of_their_time(peer: Peer) -> None:
    made = due_calls(peer, 3)
    Call.objects.filter(pk=made[0].pk).update(next_at=NOW + timedelta(seconds=9))
    with transaction.atomic():
        claims = [locks.claim_call(NOW + timedelta(seconds=10), LEASE) for _ in range(4)]
    assert claims == [made[1], made[2], made[0], None]


def test_the_task_makes_the_calls_that_are_due(peer: Peer) -> None:
    due_calls(peer, 2, at=database_now() - timedelta(seconds=1))
    counts: list[int] = []
    together([lambda: counts.append(tasks.sweep_calls())])  # in a thread that has no connection yet
    assert counts == [2]
    assert callers.drain(10)
    assert len(peer.requests) == 2
    assert tasks.sweep_calls() == 0


def test_a_task_outlives_a_connection_that_broke(peer: Peer) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that could break")
    due_calls(peer, 1, at=database_now() - timedelta(seconds=1))
    connection.settings_dict["CONN_HEALTH_CHECKS"] = True
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]

    def end_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    together([end_it])
    assert tasks.sweep_calls() == 1
    assert callers.drain(10)
