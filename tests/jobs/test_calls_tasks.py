"""What Celery runs: by the names of the schedule, each one service call."""

from datetime import UTC, datetime
from typing import Any

import pytest
from celery import current_app

from jobs import tasks
from jobs.services import callers, deadlines, replay

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("task", "service", "name"),
    [
        ("jobs.sweep_calls", callers, "start"),
        ("jobs.sweep_replays", replay, "sweep_queue"),
        ("jobs.audit", deadlines, "audit"),
    ],
)
def test_each_task_is_one_call_with_the_databases_time(
    monkeypatch: pytest.MonkeyPatch, task: str, service: Any, name: str
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(tasks, "database_now", lambda: NOW)
    monkeypatch.setattr(tasks, "close_old_connections", lambda: seen.append("healthy"))

    def called(now: Any, **limits: float) -> int:
        seen.append(now() if callable(now) else now)
        return 3

    monkeypatch.setattr(service, name, called)
    assert current_app.tasks[task]() == 3
    assert seen == ["healthy", NOW]


def test_the_sweep_of_deadlines_also_lets_go_on_what_has_waited_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "database_now", lambda: NOW)
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    monkeypatch.setattr(deadlines, "expire_due", lambda now, seconds: 3 if now == NOW else 0)
    monkeypatch.setattr(deadlines, "release_holds", lambda now: 4 if now == NOW else 0)
    assert current_app.tasks["jobs.sweep_deadlines"]() == 7
