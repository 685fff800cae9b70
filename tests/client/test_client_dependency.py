"""A dependency that fails: what a service that calls it sees. Nothing here sleeps: waits move a clock of the test's."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from choreo_client import (
    Choreo,
    Correlation,
    Dependency,
    Entry,
    Expired,
    GaveUp,
    Policy,
    Queued,
    Registry,
    ReplayQueue,
    TryAgain,
    UnreadableAnswer,
    correlated,
)
from choreo_client.ladder import Reason

from tests.client.fake_choreo import FakeChoreo, Seen, no_answer

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
GIVEN, SPARE, LEASED = "http://given.test/pay", "http://spare.test/pay", "http://leased.test/pay"

Answer = int | Exception | httpx.Response


class World:
    """A clock, and hosts that answer as they are told: the last answer for ever."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.seen: list[httpx.Request] = []
        self.hosts: dict[str, list[Answer]] = {}
        self.takes = 0.0

    def dependency(self, **options: Any) -> Dependency:
        """The dependency at GIVEN, chance at 0."""
        transport = httpx.MockTransport(self._answer)
        return Dependency(
            GIVEN, transport=transport, sleep=self.sleep, clock=lambda: self.now, rng=lambda: 0.0, **options
        )

    def queue(self, dependency: Dependency, **options: Any) -> ReplayQueue:
        """The dependency's queue, to be pumped by the test."""
        return dependency.queue_in(clock=lambda: self.now.timestamp(), rng=lambda: 1.0, start=False, **options)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.seen]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        self.now += timedelta(seconds=self.takes)
        answers = self.hosts.get(request.url.host, [200])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer)


@pytest.fixture
def world() -> World:
    return World()


def down() -> Exception:
    return httpx.ConnectError("refused")


def wait_asked(status: int, seconds: str) -> httpx.Response:
    return httpx.Response(status, headers={"retry-after": seconds})


@pytest.mark.parametrize("status", [200, 201, 204, 304])
def test_a_success_is_returned(world: World, status: int) -> None:
    world.hosts["given.test"] = [status]
    answer = world.dependency().call("PUT", "/7", {"amount": 1}, {"X-Mine": "y"})
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == status
    [request] = world.seen
    assert (request.method, str(request.url), request.content) == ("PUT", f"{GIVEN}/7", b'{"amount":1}')
    assert (request.headers["content-type"], request.headers["x-mine"]) == ("application/json", "y")


def test_what_is_called_is_told_which_job_it_is_for(world: World) -> None:
    with correlated(Correlation("job", "task")):
        world.dependency().call("get")
    [request] = world.seen
    assert (request.method, str(request.url)) == ("GET", GIVEN)
    assert (request.headers["correlation-id"], request.headers["request-id"]) == ("job", "task")
    assert "content-type" not in request.headers


def test_given_then_static_then_registry_then_give_up(world: World) -> None:
    world.hosts = {"given.test": [503, down()], "spare.test": [500], "leased.test": [wait_asked(503, "9")]}
    dependency = world.dependency(static="http://spare.test", registry=lambda: ["http://leased.test/"])
    with pytest.raises(GaveUp, match="exhausted: answered 503") as end:
        dependency.call("PUT", "/7")
    assert world.urls == [f"{url}/7" for url in (GIVEN, SPARE, LEASED) for _ in range(3)]
    assert world.slept == [0.5, 1.0, 0.5, 1.0, 9.0, 9.0]
    assert (end.value.reason, end.value.retry_after) == (Reason.EXHAUSTED, 9.0)
    assert end.value.response is not None


def test_the_registry_is_no_part_of_a_call_that_can_do_without_it(world: World) -> None:
    asked: list[int] = []
    world.hosts = {"given.test": [503], "spare.test": [503, 200]}
    dependency = world.dependency(static=SPARE, registry=lambda: asked.append(1) or [])  # type: ignore[func-returns-value]
    dependency.call("PUT")
    world.hosts = {"given.test": [404]}
    with pytest.raises(GaveUp):
        dependency.call("PUT")
    assert not asked
    world.hosts = {"given.test": [503], "spare.test": [503]}
    with pytest.raises(GaveUp):
        dependency.call("PUT")
    assert asked == [1]


@pytest.mark.parametrize("status", [302, 400, 404, 409])
def test_a_final_answer_is_not_repeated_anywhere(world: World, status: int) -> None:
    world.hosts = {"given.test": [status]}
    with pytest.raises(GaveUp) as end:
        world.dependency(static=SPARE).call("PUT")
    assert (end.value.reason, len(world.seen)) == (Reason.REFUSED, 1)
    assert end.value.response is not None
    assert end.value.response.status_code == status


@pytest.mark.parametrize("failure", [503, down()])
def test_a_post_is_sent_once(world: World, failure: Answer) -> None:
    world.hosts = {"given.test": [failure]}
    dependency = world.dependency(static=SPARE)
    with closing(world.queue(dependency)) as queue:
        with pytest.raises(GaveUp) as end:
            dependency.call("POST")
        assert queue.pending == 0
    assert (end.value.reason, len(world.seen)) == (Reason.NOT_IDEMPOTENT, 1)


def test_what_is_no_url_is_out_at_once(world: World) -> None:
    assert isinstance(Dependency("ftp://given.test", static=SPARE, transport=world_of(200)).call("PUT"), httpx.Response)
    for url in ("ftp://given.test", "http://\x00", "nothing", f"http://{64 * chr(97)}.test"):
        dependency = Dependency(url, registry=lambda: ["http://[", "also nothing"])
        with closing(dependency), pytest.raises(GaveUp) as end:
            dependency.call("PUT")
        assert (end.value.reason, end.value.response) == (Reason.FORBIDDEN, None)


def world_of(status: int) -> httpx.BaseTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme != "http":
            raise httpx.UnsupportedProtocol("no")
        return httpx.Response(status)

    return httpx.MockTransport(answer)


def test_nothing_is_called_at_or_after_the_jobs_deadline(world: World) -> None:
    world.hosts = {"given.test": [503], "spare.test": [503]}
    bound = NOW + timedelta(seconds=1.5)
    with pytest.raises(GaveUp) as end:
        world.dependency(static=SPARE).call("PUT", bound=bound)
    assert end.value.reason is Reason.OUT_OF_TIME
    assert world.urls == [GIVEN, GIVEN, SPARE, SPARE]
    assert world.now < bound
    with pytest.raises(GaveUp):
        world.dependency().call("PUT", bound=world.now)
    assert len(world.seen) == 4


def test_an_attempt_has_no_more_time_than_the_deadline_leaves(world: World) -> None:
    dependency = world.dependency(timeout=5.0, policy=Policy(total=9.0))
    dependency.call("PUT", bound=NOW + timedelta(seconds=2))
    dependency.call("PUT")
    assert [request.extensions["timeout"]["read"] for request in world.seen] == [2.0, 5.0]


def test_who_oversleeps_the_deadline_calls_nothing_more(world: World) -> None:
    world.hosts = {"given.test": [503]}
    dependency = world.dependency(policy=Policy(total=5.0))
    plain = world.sleep

    def oversleep(seconds: float) -> None:
        plain(seconds + 60)

    dependency._caller = type(dependency._caller)(
        dependency._caller.http, 5.0, oversleep, dependency._caller.clock, dependency._caller.rng
    )
    with pytest.raises(GaveUp) as end:
        dependency.call("PUT")
    assert (end.value.reason, len(world.seen)) == (Reason.OUT_OF_TIME, 1)


def test_what_cannot_be_done_now_is_queued_and_replayed_in_order(world: World) -> None:
    world.hosts = {"given.test": [503]}
    dependency = world.dependency(policy=Policy(attempts=2))
    with closing(world.queue(dependency, max_age=3600.0)) as queue:
        first = dependency.call("PUT", "/7", {"amount": 1})
        assert isinstance(first, Queued)
        assert first.reason == "After 2 attempts, the last location answered 503."
        assert (first.at - world.now, first.until - world.now) == (timedelta(seconds=15), timedelta(hours=1))
        assert queue.pump() == 15.0
        second = dependency.call("PUT", "/7", {"amount": 2}, bound=NOW + timedelta(minutes=9))
        assert second == Queued(world.now, NOW + timedelta(minutes=9), "An older call waits.")
        assert len(world.seen) == 2  # it did not overtake the first one
        world.hosts = {"given.test": [200]}
        assert isinstance(dependency.call("PUT", "/8"), httpx.Response)
        world.now = first.at
        assert queue.pump() is None
    assert [request.content for request in world.seen[3:]] == [b'{"amount":1}', b'{"amount":2}']


def test_a_replay_asks_each_location_once_and_comes_again(world: World) -> None:
    world.hosts = {"given.test": [503], "spare.test": [503, 503, 503, 503, 200]}
    dependency = world.dependency(static=SPARE)
    with closing(world.queue(dependency)) as queue:
        queued = dependency.call("PUT")
        assert isinstance(queued, Queued)
        world.seen.clear()
        world.now = queued.at
        assert queue.pump() == 1.0
        world.now += timedelta(seconds=1)
        assert queue.pump() is None
    assert world.urls == [GIVEN, SPARE, GIVEN, SPARE]


def test_a_replay_carries_what_the_call_did_and_ends_at_its_deadline(world: World) -> None:
    refused: list[Exception] = []
    world.hosts = {"given.test": [503]}
    dependency = world.dependency(policy=Policy(attempts=1))
    queue = world.queue(dependency, on_refused=lambda entry, error: refused.append(error))
    with closing(queue):
        with correlated(Correlation("job", "task")):
            dependency.call("DELETE", "/7", headers={"If-Match": '"1"'}, bound=NOW + timedelta(seconds=20))
        while (delay := queue.pump()) is not None:
            world.now += timedelta(seconds=delay)
    assert world.now == NOW + timedelta(seconds=20)
    [error] = refused
    assert isinstance(error, GaveUp)
    assert error.reason is Reason.OUT_OF_TIME
    assert {(r.method, r.headers["if-match"], r.headers["request-id"]) for r in world.seen} == {
        ("DELETE", '"1"', "task")
    }
    assert len(world.seen) > 2


def test_a_refused_replay_is_told_and_not_repeated(world: World) -> None:
    refused: list[Exception] = []
    world.hosts = {"given.test": [503, 404]}
    dependency = world.dependency(policy=Policy(attempts=1))
    with closing(world.queue(dependency, on_refused=lambda entry, error: refused.append(error))) as queue:
        queued = dependency.call("PUT")
        assert isinstance(queued, Queued)
        world.now = queued.at
        assert queue.pump() is None
    assert [type(error) for error in refused] == [GaveUp]


def test_a_get_is_not_queued_and_a_full_queue_is_the_end(world: World) -> None:
    world.hosts = {"given.test": [503]}
    dependency = world.dependency(policy=Policy(attempts=1))
    with closing(world.queue(dependency, max_entries=1)) as queue:
        for method in ("GET", "HEAD"):
            with pytest.raises(GaveUp):
                dependency.call(method)
        assert queue.pending == 0
        assert isinstance(dependency.call("PUT", "/1"), Queued)
        with pytest.raises(GaveUp) as end:
            dependency.call("PUT", "/2")
        assert (end.value.reason, end.value.retry_after) == (Reason.EXHAUSTED, 30.0)


def test_once_at_each_location_for_who_has_a_queue(world: World) -> None:
    world.hosts = {"given.test": [down()], "spare.test": [wait_asked(503, "40")]}
    dependency = world.dependency(static=SPARE)
    with pytest.raises(TryAgain) as later:
        dependency.call_once("PUT", bound=NOW + timedelta(seconds=90))
    assert (later.value.retry_after, later.value.until) == (40.0, NOW.timestamp() + 90)
    assert (world.urls, world.slept) == ([GIVEN, SPARE], [])
    world.hosts = {"given.test": [422]}
    with pytest.raises(GaveUp):
        dependency.call_once("PUT")
    dependency.close()


def test_an_entry_may_be_of_no_use_before_it_is_too_old() -> None:
    refused: list[Exception] = []

    def fail(entry: Entry) -> None:
        raise TryAgain("down", until=1_000_005.0)

    clock = [1_000_000.0]
    queue = ReplayQueue(
        fail, clock=lambda: clock[0], rng=lambda: 1.0, start=False, on_refused=lambda e, error: refused.append(error)
    )
    with closing(queue):
        queue.put("k", "kind", {}, delay=0.5)
        waits = []
        while (delay := queue.pump()) is not None:
            waits.append(delay)
            clock[0] += delay
    assert waits == [0.5, 1.0, 2.0, 1.5]
    assert [type(error) for error in refused] == [Expired]


LISTED = [{"url": "http://a.test", "leaseSeconds": 10}, {"url": "http://b.test", "leaseSeconds": 30}]


def listing(body: object) -> Callable[[Seen], tuple[int, dict[str, str], Any]]:
    return lambda _: (200, {}, body)


@pytest.fixture
def choreo(fake: FakeChoreo) -> Iterator[Choreo]:
    with Choreo(fake.url, "t", transport=fake.transport()) as made:
        yield made


def test_the_registry_is_asked_every_few_seconds_and_its_last_word_outlives_choreo(
    fake: FakeChoreo, choreo: Choreo
) -> None:
    clock = [100.0]
    registry = Registry(choreo, "pay", keep=5.0, clock=lambda: clock[0])
    fake.script = [listing({"locations": LISTED}), *[no_answer] * 9]
    assert registry() == ["http://a.test", "http://b.test"]
    assert (fake.seen[0].method, fake.seen[0].path) == ("GET", "/api/v1/services/pay/locations")
    clock[0] = 104.9
    assert (len(registry()), len(fake.seen)) == (2, 1)
    clock[0] = 105.0
    assert (len(registry()), len(fake.seen)) == (2, 2)  # asked once, and no answer came
    clock[0] = 110.0  # by now the first lease has run out, whatever Choreo knows
    assert registry() == ["http://b.test"]
    clock[0] = 130.0
    assert registry() == []
    fake.script = [listing({"locations": LISTED[:1]})]
    clock[0] = 135.0
    assert registry() == ["http://a.test"]


@pytest.mark.parametrize("body", [{}, {"locations": 3}, {"locations": [3]}, {"locations": [{"url": "http://c.test"}]}])
def test_a_registry_that_talks_nonsense_is_not_believed(fake: FakeChoreo, choreo: Choreo, body: object) -> None:
    clock = [0.0]
    registry = Registry(choreo, "pay", clock=lambda: clock[0])
    fake.script = [listing({"locations": LISTED}), listing(body)]
    assert len(registry()) == 2
    clock[0] = 6.0
    assert len(registry()) == 2
    assert len(fake.seen) == 2


def test_the_locations_of_a_service(fake: FakeChoreo, choreo: Choreo) -> None:
    fake.script = [listing({"locations": LISTED}), listing({"locations": {}})]
    assert choreo.locations("pay/2") == LISTED
    assert fake.seen[0].path == "/api/v1/services/pay/2/locations"  # httpx shows it decoded
    with pytest.raises(UnreadableAnswer):
        choreo.locations("pay")
