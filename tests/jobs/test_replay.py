"""The replay queue: what brings a call out of it, and how it treats a service that has just come back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings

from jobs.domain.events import EventKind
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import CallStatus, JobStatus, TaskStatus
from jobs.models import Call, JobEvent, Service
from jobs.services import locks, replay
from jobs.services.calls import LEASE
from jobs.services.registry import delete_location, put_location
from tests.jobs.calls_peer import Behaviour, reset, running_peer, status
from tests.jobs.calls_scene import Scene, running_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_scene() as running:
        yield running


def queue_up(scene: Scene, count: int, *behaviours: Behaviour) -> list[Call]:
    """So many tasks that do not depend on each other, whose reverts have all ended in the queue."""
    root = scene.task(name="root", state_changed=False)
    for _ in range(count):
        scene.task(caused_by=root.task_id, revert_url=scene.peer.plays(*(behaviours or [status(503)])))
    scene.cancel()
    for _ in range(100):
        scene.run(limit=1000)
        scene.clock.on(seconds=1)
        if Call.objects.filter(status=CallStatus.QUEUED).count() == count:
            break
    Call.objects.update(next_at=scene.clock.now + timedelta(hours=1))
    scene.peer.requests.clear()
    return list(Call.objects.order_by("pk"))


def put(scene: Scene, seconds: int = 30, location: UUID | None = None, url: str = "") -> UUID:
    location, url = location or uuid4(), url or scene.peer.plays(status(503), path="/leased")
    put_location(
        "pay",
        location,
        scene.service,
        {"url": url, "priority": 0, "lease_seconds": seconds, "kind": "primary"},
        precondition=NO_PRECONDITION,
        now=scene.clock(),
    )
    return location


def due(scene: Scene) -> int:
    return Call.objects.filter(next_at__lte=scene.clock.now).count()


def test_a_queued_call_says_why_since_when_and_until_when(scene: Scene) -> None:
    (call,) = queue_up(scene, 1, status(503))
    assert call.queue_reason == "503 Service Unavailable"
    assert call.queued_at is not None
    assert call.give_up_at == call.queued_at + timedelta(days=1)
    event = JobEvent.objects.get(kind=EventKind.CALL_QUEUED)
    assert event.data == {"action": "revert", "detail": call.queue_reason, "until": call.give_up_at.isoformat()}


def test_a_lease_that_returns_brings_all_out_of_the_queue(scene: Scene) -> None:
    queue_up(scene, 3)
    scene.peer.plays(status(200))
    put(scene, url=scene.peer.url("/back"))
    assert due(scene) == 3
    scene.run()
    assert scene.job.status == JobStatus.CANCELLED


def test_a_lease_that_is_renewed_does_not(scene: Scene) -> None:
    location = put(scene)
    queue_up(scene, 1)
    put(scene, location=location)
    assert due(scene) == 0
    scene.clock.on(seconds=31)
    put(scene, location=location)
    assert due(scene) == 1


def test_other_services_stay_where_they_are(scene: Scene) -> None:
    queue_up(scene, 1)
    other = Service.objects.create(name="other")
    assert replay.release(other.pk, scene.clock()) == 0
    assert due(scene) == 0


def test_a_registered_location_is_tried_after_the_given_one(scene: Scene) -> None:
    with running_peer() as elsewhere:
        elsewhere.plays(status(200))
        put(scene, url=f"http://127.0.0.1:{elsewhere.port}")
        call = scene.run_until_settled(scene.undo(reset))
        assert call.status == CallStatus.DONE
        assert len(scene.peer.requests) == 3
        assert [request.path for request in elsewhere.requests] == ["/undo"]


def test_locations_are_tried_in_the_order_of_the_registry_and_none_whose_lease_ran_out(scene: Scene) -> None:
    scene.peer.plays(status(500), path="/undo")
    for name, kind, priority, seconds in (
        ("gone", "primary", 0, 5),
        ("fallback", "fallback", 0, 3600),
        ("second", "primary", 2, 3600),
        ("first", "primary", 1, 3600),
    ):
        values = {"url": scene.peer.plays(status(500), path=f"/{name}"), "priority": priority}
        values |= {"kind": kind, "lease_seconds": seconds}
        put_location("pay", uuid4(), scene.service, values, precondition=NO_PRECONDITION, now=scene.clock())
    scene.clock.on(seconds=5)
    call = scene.undo(status(500))
    scene.run_until_queued(call, most=60)
    paths = [request.path for request in scene.peer.requests]
    assert paths == ["/undo"] * 3 + ["/first"] * 3 + ["/second"] * 3 + ["/fallback"] * 3


def test_a_lease_that_runs_out_between_two_attempts_ends_them(scene: Scene) -> None:
    put(scene, seconds=5, url=scene.peer.plays(status(500), path="/leased"))
    call = scene.undo(status(500))
    while len(scene.peer.requests) < 4:
        call.refresh_from_db()
        scene.clock.now = max(scene.clock.now, call.next_at)
        scene.run(limit=1)
    scene.clock.on(seconds=10)
    scene.run()
    call.refresh_from_db()
    assert call.status == CallStatus.QUEUED
    assert [request.path for request in scene.peer.requests] == ["/undo"] * 3 + ["/leased"]


def test_a_location_that_is_deleted_is_not_called(scene: Scene) -> None:
    location = put(scene, url=scene.peer.plays(status(200), path="/leased"))
    delete_location("pay", location, scene.service, precondition=NO_PRECONDITION, now=scene.clock())
    scene.run_until_queued(scene.undo(status(500)))
    assert {request.path for request in scene.peer.requests} == {"/undo"}


@pytest.mark.parametrize(("answer", "released"), [(200, 3), (204, 3), (302, 0), (404, 0), (503, 0)])
def test_a_probe_that_succeeds_brings_all_out(scene: Scene, answer: int, released: int) -> None:
    queue_up(scene, 3)
    Service.objects.update(probe_url=scene.peer.plays(status(answer), path="/health"))
    assert replay.sweep_queue(scene.clock) == 1
    assert due(scene) == released
    assert [(request.method, request.path) for request in scene.peer.requests] == [("GET", "/health")]


def test_probes_come_at_growing_pauses(scene: Scene) -> None:
    queue_up(scene, 1)
    Service.objects.update(probe_url=scene.peer.plays(status(503), path="/health"))
    pauses, last = [], scene.clock.now
    for _ in range(600):
        if replay.sweep_queue(scene.clock):
            pauses.append((scene.clock.now - last).total_seconds())
            last = scene.clock.now
        scene.clock.on(seconds=1)
    assert pauses[:4] == [0, 5, 8, 12]
    assert pauses[-1] == replay.LONGEST_PROBE


def test_two_sweeps_ask_once(scene: Scene) -> None:
    queue_up(scene, 1)
    service = Service.objects.get(name="pay")
    assert [replay._takes_turn(service, scene.clock.now) for _ in range(2)] == [True, False]


def test_without_a_probe_url_one_call_is_the_probe_and_its_success_brings_out_the_rest(scene: Scene) -> None:
    queue_up(scene, 4)
    scene.clock.on(minutes=1)
    assert replay.sweep_queue(scene.clock) == 1
    assert due(scene) == 1
    scene.run()
    assert len(scene.peer.requests) == 1
    assert due(scene) == 0  # it failed, and the rest waits
    scene.clock.on(minutes=1)
    scene.peer.plays(status(200))
    assert replay.sweep_queue(scene.clock) == 1
    assert scene.run() == 4
    assert scene.job.status == JobStatus.CANCELLED


def test_the_call_that_is_the_probe_is_another_one_each_time(scene: Scene) -> None:
    calls = queue_up(scene, 3)
    for _ in range(3):
        Call.objects.update(next_at=scene.clock.on(minutes=2) + timedelta(hours=1))
        replay.sweep_queue(scene.clock)
        scene.run()
    assert [Call.objects.get(pk=call.pk).replays for call in calls] == [1, 1, 1]


def test_a_call_that_has_just_failed_is_not_replayed_because_others_succeed(scene: Scene) -> None:
    (poison, _) = queue_up(scene, 2)
    scene.peer.plays(status(500), status(200))
    assert replay.replay_now(poison.pk, "ann", scene.clock.on(minutes=1))
    scene.run()
    assert len(scene.peer.requests) == 1
    replay.note_health(poison.service_id, works=True, now=scene.clock.on(seconds=9))
    assert due(scene) == 1
    assert Call.objects.get(pk=poison.pk).next_at > scene.clock.now


def test_the_slow_schedule_alone_replays_at_last(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_REPLAY_WINDOW = 3600
    call = scene.run_until_queued(scene.undo(*[status(503)] * 6, status(200)))
    assert scene.run_until_settled(call).status == CallStatus.DONE
    assert call.queued_at is not None
    assert scene.clock.now - call.queued_at < timedelta(minutes=8)


def test_an_operator_replays_one(scene: Scene) -> None:
    first, second = queue_up(scene, 2)
    scene.peer.plays(status(200))
    assert replay.replay_now(first.pk, "ann", scene.clock())
    assert scene.run(limit=1) == 1
    first.refresh_from_db()
    assert first.status == CallStatus.DONE
    event = JobEvent.objects.get(kind=EventKind.OPERATOR_ACTION)
    assert (event.actor, event.data, event.task) == ("ann", {"did": "replay now", "action": "revert"}, first.task)
    assert not replay.replay_now(first.pk, "ann", scene.clock())
    assert not replay.replay_now(0, "ann", scene.clock())
    assert JobEvent.objects.filter(kind=EventKind.OPERATOR_ACTION).count() == 1
    assert second.task.status == TaskStatus.REVERTING


def test_an_operator_replays_all_of_a_service_since_a_time(scene: Scene) -> None:
    first, second, third = queue_up(scene, 3)
    Call.objects.filter(pk=first.pk).update(queued_at=scene.clock.now - timedelta(hours=2))
    since = scene.clock.now - timedelta(hours=1)
    assert replay.replay_service(scene.service, "ann", scene.clock(), since) == 2
    assert set(Call.objects.filter(next_at__lte=scene.clock.now)) == {second, third}
    assert replay.replay_service(scene.service, "ann", scene.clock()) == 3


def test_a_replay_that_dies_is_still_in_the_queue(scene: Scene) -> None:
    (call,) = queue_up(scene, 1)
    assert replay.replay_now(call.pk, "ann", scene.clock())
    assert locks.claim_call(scene.clock(), LEASE) == call
    scene.clock.now += LEASE
    scene.run()
    call.refresh_from_db()
    assert (call.status, call.replays) == (CallStatus.QUEUED, 1)
    assert len(scene.peer.requests) == 1


def test_a_replayed_call_keeps_its_key(scene: Scene) -> None:
    (call,) = queue_up(scene, 1)
    scene.peer.plays(status(503), status(200))
    for _ in range(2):
        assert replay.replay_now(call.pk, "ann", scene.clock.on(minutes=1))
        scene.run()
    assert {request.headers["idempotency-key"] for request in scene.peer.requests} == {str(call.idempotency_key)}


def test_what_is_given_up_says_so_and_is_retried_from_the_beginning(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_REPLAY_WINDOW = 60
    call = scene.run_until_settled(scene.undo(status(503)))
    assert (call.outcome, call.task.status) == ("gave-up", TaskStatus.REVERT_FAILED)
    assert call.holds_until is None


def claim(now: datetime) -> Call | None:
    return locks.claim_call(now, LEASE)


def test_a_service_gets_no_more_calls_at_once_than_it_has_slots(scene: Scene, settings: Settings) -> None:
    settings.CHOREO_CALLS_PER_SERVICE = 3
    queue_up(scene, 5)
    Service.objects.update(failing_since=None)
    assert replay.release(scene.service.pk, scene.clock()) == 5
    taken = [claim(scene.clock.now) for _ in range(4)]
    assert [call.slot for call in taken[:3] if call] == [0, 1, 2]
    assert taken[3] is None
    Call.objects.filter(pk=taken[1].pk).update(  # type: ignore[union-attr]  # seen above
        status="done", slot=None, lease_until=None, lease_token=None
    )
    again = claim(scene.clock.now)
    assert again is not None
    assert again.slot == 1


def test_a_service_that_fails_gets_one_call_at_a_time_until_it_answers(scene: Scene) -> None:
    queue_up(scene, 3)
    assert Service.objects.get(name="pay").failing_since is not None
    replay.release(scene.service.pk, scene.clock())
    assert claim(scene.clock.now) is not None
    assert claim(scene.clock.now) is None
    replay.note_health(scene.service.pk, works=True, now=scene.clock())
    assert claim(scene.clock.now) is not None


def test_a_worker_that_finds_the_last_slot_taken_takes_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had looked before another worker's claim was there to be seen."""
    queue_up(scene, 2)
    replay.release(scene.service.pk, scene.clock())
    assert claim(scene.clock.now) is not None
    everything = Call.objects.filter(status=CallStatus.QUEUED)
    looked = iter([everything, everything.none()])
    monkeypatch.setattr(locks, "due_calls", lambda now, calls: next(looked))
    assert claim(scene.clock.now) is None


def test_the_slot_of_a_worker_that_died_is_taken_over_with_its_call(scene: Scene) -> None:
    queue_up(scene, 2)
    replay.release(scene.service.pk, scene.clock())
    first = claim(scene.clock.now)
    assert claim(scene.clock.now) is None
    scene.clock.now += LEASE
    assert claim(scene.clock.now) == first
    assert claim(scene.clock.now) is None
