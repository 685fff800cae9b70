"""Every revert ends as the contract says, whatever the service that is called does: see `hostile_cases`."""

import re
import socket
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from pytest_django import Settings

from jobs.domain.callbacks import Outcome
from jobs.domain.states import CallStatus, JobStatus, TaskStatus
from jobs.models import Call, JobEvent, Service
from jobs.services import outbound
from jobs.services.outbound import TOTAL_SECONDS
from tests.jobs.calls_peer import behind_tls
from tests.jobs.calls_scene import Scene, running_scene
from tests.jobs.hostile_cases import CASES, WINDOW, Case

UNDONE = {Outcome.DONE, Outcome.NOTHING_TO_UNDO}


@dataclass(frozen=True)
class Ports:
    """Where nobody listens, and where connections are taken and never read."""

    closed: int
    silent: int


@pytest.fixture
def ports() -> Iterator[Ports]:
    with ExitStack() as stack:
        closed, silent = (stack.enter_context(socket.socket()) for _ in range(2))
        for each in (closed, silent):
            each.bind(("127.0.0.1", 0))
        silent.listen()
        yield Ports(closed.getsockname()[1], silent.getsockname()[1])


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    settings.CHOREO_REPLAY_WINDOW = WINDOW
    with running_scene() as running:
        yield running


def limit(monkeypatch: pytest.MonkeyPatch, patience: Sequence[float]) -> None:
    """The first attempts have these time limits, in seconds; all others have the real one."""
    left, send = list(patience), outbound.send
    monkeypatch.setattr(outbound, "send", lambda *a, **k: send(*a, **k, seconds=left.pop(0) if left else TOTAL_SECONDS))


def play(scene: Scene, case: Case, ports: Ports) -> Call:
    """The job's only task is to be reverted by this service, and it ends one way or another."""
    peer = scene.peer
    if case.tls:
        behind_tls(peer)
    if case.listed:
        Service.objects.filter(pk=scene.service.pk).update(allowed_hosts=f"127.0.0.1:{peer.port}")
    peer.plays(*case.plays)
    if case.outcome:
        peer.plays(*case.outcome, path="/outcome")
    scene.task(revert_url=case.url.format(port=peer.port, closed=ports.closed, silent=ports.silent))
    scene.cancel()
    return scene.run_until_settled(Call.objects.get())


@pytest.mark.django_db
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_as_the_contract_says(scene: Scene, ports: Ports, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    limit(monkeypatch, case.patience)
    began = scene.clock.now
    call = play(scene, case, ports)
    took = (scene.clock.now - began).total_seconds()
    assert call.outcome == case.end
    assert case.wait[0] <= took <= case.wait[1] + 0.001
    assert case.said in call.attempts.last().detail  # type: ignore[union-attr]  # there is one
    check_the_end(scene, call, undone=case.end in UNDONE)
    check_the_requests(scene, call, case)
    check_what_is_kept(call)


def check_the_end(scene: Scene, call: Call, *, undone: bool) -> None:
    """Job, task and call agree, and a human is called once, or not at all."""
    assert call.status == (CallStatus.DONE if undone else CallStatus.FAILED)
    assert call.task.status == (TaskStatus.REVERTED if undone else TaskStatus.REVERT_FAILED)
    assert scene.job.status == (JobStatus.CANCELLED if undone else JobStatus.REVERT_FAILED)
    assert JobEvent.objects.exclude(cause="").count() == (0 if undone else 1)
    assert (call.lease_token, call.slot) == (None, None)
    assert scene.run() == 0  # nothing is left to be done


def check_the_requests(scene: Scene, call: Call, case: Case) -> None:
    """They are one request, however often it is made, and go nowhere but where they should."""
    requests = scene.peer.requests
    puts = [request for request in requests if request.method == "PUT"]
    gets = [request for request in requests if request.method == "GET"]
    assert len(puts) > 3 if case.puts is None else len(puts) == case.puts
    assert len(gets) > 3 if case.gets < 0 else len(gets) == case.gets
    assert {request.path for request in puts} <= {"/undo"}
    assert {request.path.partition("?")[0] for request in gets} <= {"/outcome"}
    assert len({request.body for request in puts}) <= 1
    assert {request.headers["idempotency-key"] for request in requests} <= {str(call.idempotency_key)}
    assert not any({"cookie", "authorization", "proxy-authorization"} & request.headers.keys() for request in requests)
    assert len(scene.peer.effects) == case.effects


def check_what_is_kept(call: Call) -> None:
    """What the service said is kept as one line of plain text."""
    for attempt in call.attempts.all():
        assert attempt.outcome
        assert 0 < len(attempt.detail) <= 300
        assert not any(unicodedata.category(character)[0] == "C" for character in attempt.detail)
        assert re.fullmatch(r"https?://\S+", attempt.url)


def test_the_table_is_long_and_its_names_are_one_each() -> None:
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.end for case in CASES} == {
        Outcome.DONE,
        Outcome.NOTHING_TO_UNDO,
        Outcome.REFUSED,
        Outcome.BLOCKED,
        Outcome.GAVE_UP,
        Outcome.STILL_UNDER_WAY,
    }
