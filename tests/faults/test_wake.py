"""Wake-ups cost whoever gives them nothing, whatever the broker does."""

import os
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from jobs.services import wake
from jobs.services.wake import Sender


class Broker:
    """Takes hints: keeps their names, after calling `react`."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.react: Callable[[], object] = lambda: None
        self.news = threading.Semaphore(0)

    def send_task(self, name: str, *, expires: float) -> None:
        self.sent.append(name)
        self.news.release()
        self.react()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """In the place of Celery."""
    one = Broker()
    monkeypatch.setattr(wake, "current_app", SimpleNamespace(send_task=one.send_task))
    return one


def test_a_broker_that_hangs_holds_up_nobody_and_hints_meanwhile_are_sent_once_each(broker: Broker) -> None:
    release = threading.Event()
    broker.react = lambda: release.wait(10)
    sender = Sender()
    sender.add("a")
    assert broker.news.acquire(timeout=10)  # it hangs now, and the test goes on
    for _ in range(100):
        sender.add("a")
        sender.add("b")
    release.set()
    assert broker.news.acquire(timeout=10)
    assert broker.news.acquire(timeout=10)
    assert broker.sent == ["a", "a", "b"]
    assert sender.names.empty()


def test_after_a_failure_it_is_quiet_for_some_seconds(broker: Broker) -> None:
    def fail() -> None:
        raise OSError("nobody listens")

    broker.react = fail
    sender = Sender()
    sender._send("a")
    sender.add("b")
    assert (broker.sent, sender.names.empty()) == (["a"], True)
    sender.quiet_until = 0.0
    sender.add("b")
    assert broker.news.acquire(timeout=10)
    assert broker.news.acquire(timeout=10)
    assert broker.sent == ["a", "b"]


def test_a_forked_process_has_a_sender_of_its_own() -> None:
    before = wake._sender
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, b"own" if wake._sender is not before else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 3) == b"own"
    assert wake._sender is before
