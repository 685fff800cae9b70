"""The threads of this process that make calls to services, so that one that hangs holds up nothing else."""

import threading
from collections.abc import Callable
from datetime import datetime

import structlog
from django.conf import settings
from django.db import close_old_connections, connection

from jobs.models import Call
from jobs.services import calls, locks

log = structlog.get_logger(__name__)

_lock = threading.Condition(threading.RLock())
_running = 0


def start(now_fn: Callable[[], datetime]) -> int:
    """Start a thread for each call that is due, up to CHOREO_CALL_THREADS in this process, and do not wait for them.

    Each goes on to further calls while there are any. A thread that dies with its process leaves a claim that runs
    out. Returns how many were started.
    """
    places = settings.CHOREO_CALL_THREADS - _running
    if places <= 0:
        return 0
    due = len(locks.due_calls(now_fn(), Call.objects.all()).values_list("pk")[:places])
    lost = len(locks.lost_calls(now_fn(), Call.objects.all()).values_list("pk")[:places])
    wanted = min(places, due + lost)
    return sum(_start_one(now_fn) for _ in range(wanted))


def drain(seconds: float) -> bool:
    """Wait for the calls under way, `seconds` at most; True when none is left."""
    with _lock:
        return _lock.wait_for(lambda: _running == 0, seconds)


def wait_for_one(seconds: float) -> None:
    """Wait until a thread comes to its end, `seconds` at most."""
    with _lock:
        if _running:
            _lock.wait(seconds)


def _start_one(now_fn: Callable[[], datetime]) -> bool:
    with _lock:
        if _running >= settings.CHOREO_CALL_THREADS:
            return False
        _count(+1)
    try:
        threading.Thread(target=_make_calls, args=(now_fn,), name="caller", daemon=True).start()
    except RuntimeError:  # the system gives no more threads: those that run go on to the next calls
        _count(-1)
        return False
    return True


def _make_calls(now_fn: Callable[[], datetime]) -> None:
    try:
        close_old_connections()
        calls.run_due(now_fn)
    except Exception:  # the database is away, say: the next sweep starts again
        log.exception("a caller ended by a fault")
    finally:
        try:
            connection.close()
        finally:
            _count(-1)


def _count(change: int) -> None:
    global _running
    with _lock:
        _running += change
        _lock.notify_all()
