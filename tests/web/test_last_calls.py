"""A worker that stops waits for the calls that it has begun."""

import threading

import pytest
from celery.signals import worker_process_shutdown, worker_shutdown

from jobs.services import callers, calls
from jobs.services.clock import database_now


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signal", [worker_process_shutdown, worker_shutdown])
def test_a_worker_that_stops_waits_for_its_calls(monkeypatch: pytest.MonkeyPatch, signal: object) -> None:
    begun, may_end, order = threading.Event(), threading.Event(), list[str]()

    def long_call(now_fn: object) -> int:
        begun.set()
        may_end.wait(10)
        order.append("called")
        return 1

    monkeypatch.setattr(calls, "run_due", long_call)
    assert callers._start_one(database_now)
    assert begun.wait(10)
    threading.Timer(0.1, may_end.set).start()
    results = signal.send(sender=None)  # type: ignore[attr-defined]  # each of them is a signal
    order.append("stopped")
    assert True in [result for _, result in results]
    assert order == ["called", "stopped"]


def test_nothing_to_wait_for_takes_no_time() -> None:
    assert callers.drain(0)
