"""What Celery runs: by the names of the schedule, each one service call."""

from datetime import UTC, datetime
from typing import Any

import pytest
from celery import current_app

from jobs import tasks
from jobs.services import calls, deadlines

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("task", "service", "name"),
    [
        ("jobs.sweep_deadlines", deadlines, "expire_due"),
        ("jobs.sweep_calls", calls, "run_due"),
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
