"""A service's own memory: one SQLite file that a kill -9 does not hurt.

Every change of a task is guarded by the status that it starts from, so of two that come at
once exactly one wins, and whatever comes twice is done once.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    caused_by TEXT,
    traceparent TEXT,
    input TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN
        ('accepted', 'working', 'applied', 'done', 'failed', 'cancelled', 'reverted'))
);
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL,
    entry TEXT NOT NULL CHECK (entry IN ('done', 'undone')),
    state TEXT NOT NULL,
    UNIQUE (task_id, entry)
);
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, status INTEGER NOT NULL, body TEXT NOT NULL
);
"""

State = dict[str, Any]
Answer = tuple[int, State]

STARTABLE = ("accepted", "working")
UNFINISHED = (*STARTABLE, "applied")
EFFECTIVE = ("applied", "done")


@dataclass(frozen=True, slots=True)
class Task:
    """One step that this service took on; `seq` counts them from 1.

    accepted → working → applied (the effect stands) → done (reported, event queued);
    failed, cancelled and reverted are the other ends.
    """

    seq: int
    task_id: str
    job_id: str
    caused_by: str | None
    traceparent: str | None
    input: State
    status: str


class Store:
    """Tasks, the ledger of their effects, and the answers given; safe between threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = NORMAL")
        self._sql.executescript(_SCHEMA)

    def accept(
        self,
        task_id: str,
        job_id: str,
        caused_by: str | None,
        traceparent: str | None,
        data: State,
    ) -> bool:
        """Take on a task; False when it is known already, be it as a tombstone."""
        row = (task_id, job_id, caused_by, traceparent, json.dumps(data))
        return self._changes(
            "INSERT OR IGNORE INTO task"
            " (task_id, job_id, caused_by, traceparent, input, status)"
            " VALUES (?, ?, ?, ?, ?, 'accepted')",
            row,
        )

    def bury(self, task_id: str, job_id: str) -> bool:
        """Leave a tombstone: this task, should it ever come, must not start."""
        return self._changes(
            "INSERT OR IGNORE INTO task (task_id, job_id, input, status) VALUES (?, ?, '{}', 'cancelled')",
            (task_id, job_id),
        )

    def get(self, task_id: str) -> Task | None:
        """A task by its ID."""
        return next(iter(self._tasks("task_id = ?", (task_id,))), None)

    def status(self, task_id: str) -> str | None:
        """A task's status; None when it is not known."""
        task = self.get(task_id)
        return None if task is None else task.status

    def unfinished(self) -> list[Task]:
        """What a restart has to take up again, oldest first."""
        return self._tasks("status IN (?, ?, ?)", UNFINISHED)

    def move(self, task_id: str, sources: Iterable[str], target: str) -> bool:
        """Change a task's status if it is one of `sources`; False when it is not."""
        among = tuple(sources)
        marks = ", ".join("?" * len(among))
        return self._changes(
            f"UPDATE task SET status = ? WHERE task_id = ? AND status IN ({marks})",
            (target, task_id, *among),
        )

    def apply(self, task_id: str, state: State) -> bool:
        """The effect and its record, in one transaction; False if the task was stopped."""
        with self._lock, self._sql:
            self._sql.execute("BEGIN IMMEDIATE")
            if not self.move(task_id, ["working"], "applied"):
                return False
            return self._enter(task_id, "done", state)

    def effect(self, task_id: str) -> State | None:
        """The shared state that the task's effect stands for; None if there is no effect."""
        rows = self._rows("SELECT state FROM ledger WHERE task_id = ? AND entry = 'done'", (task_id,))
        return json.loads(rows[0][0]) if rows else None

    def undo(self, task_id: str, state: State) -> bool:
        """Enter the counter-effect; True only the first time."""
        return self._enter(task_id, "undone", state)

    def remember(self, key: str, answer: Answer) -> None:
        """Keep the answer given to an idempotency key."""
        status, body = answer
        self._changes(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?)",
            (key, status, json.dumps(body)),
        )

    def answered(self, key: str) -> Answer | None:
        """The answer given to an idempotency key before."""
        rows = self._rows("SELECT status, body FROM answer WHERE key = ?", (key,))
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._sql.close()

    def _enter(self, task_id: str, entry: str, state: State) -> bool:
        return self._changes(
            "INSERT OR IGNORE INTO ledger (task_id, entry, state) VALUES (?, ?, ?)",
            (task_id, entry, json.dumps(state)),
        )

    def _tasks(self, where: str, values: tuple[Any, ...]) -> list[Task]:
        rows = self._rows(
            f"SELECT seq, task_id, job_id, caused_by, traceparent, input, status FROM task WHERE {where} ORDER BY seq",
            values,
        )
        return [_task(*row) for row in rows]

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._sql.execute(sql, values).fetchall()

    def _changes(self, sql: str, values: tuple[Any, ...]) -> bool:
        with self._lock:
            return self._sql.execute(sql, values).rowcount > 0


def _task(
    seq: int, task_id: str, job_id: str, caused_by: str | None, traceparent: str | None, data: str, status: str
) -> Task:
    return Task(seq, task_id, job_id, caused_by, traceparent, json.loads(data), status)
