"""The rows of a replay queue, in SQLite. Not safe between threads: its queue locks."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    queued_at REAL NOT NULL,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS entry_by_key ON entry (key, seq);
CREATE INDEX IF NOT EXISTS entry_by_due ON entry (due_at, seq);
"""
# Only the oldest entry of each key may go: that keeps the order.
_NEXT_HEAD = """
SELECT seq, key, kind, payload, queued_at, due_at, attempts FROM entry
WHERE NOT EXISTS (SELECT 1 FROM entry AS older WHERE older.key = entry.key AND older.seq < entry.seq)
ORDER BY due_at, seq LIMIT 1
"""
_UNTRIED_HEAD = """
SELECT attempts = 0 FROM entry WHERE key = ? AND seq <= ? ORDER BY seq LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to deliver; times are Unix seconds, `attempts` counts those that failed."""

    seq: int
    key: str
    kind: str
    payload: dict[str, Any]
    queued_at: float
    due_at: float
    attempts: int


class Entries:
    """The table of waiting entries, in a file or in memory."""

    def __init__(self, path: str | Path | None) -> None:
        self._sql = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        # With WAL, NORMAL is safe against a killed process (though not a power cut), and
        # does not make `put` wait for the disk.
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = NORMAL")
        self._sql.executescript(_SCHEMA)

    def add(self, key: str, kind: str, payload: str, now: float, due_at: float) -> None:
        """Append an entry that came `now` and is due at `due_at`."""
        self._sql.execute(
            "INSERT INTO entry (key, kind, payload, queued_at, due_at) VALUES (?, ?, ?, ?, ?)",
            (key, kind, payload, now, due_at),
        )

    def next_head(self) -> Entry | None:
        """The entry to deliver next, due or not."""
        row = self._sql.execute(_NEXT_HEAD).fetchone()
        if row is None:
            return None
        seq, key, kind, payload, *times = row
        return Entry(seq, key, kind, json.loads(payload), *times)

    def postpone(self, seq: int, due_at: float) -> None:
        """Count a failed attempt and set when the next one is due."""
        self._sql.execute(
            "UPDATE entry SET attempts = attempts + 1, due_at = ? WHERE seq = ?",
            (due_at, seq),
        )

    def remove(self, seq: int) -> None:
        """Forget a delivered or refused entry."""
        self._sql.execute("DELETE FROM entry WHERE seq = ?", (seq,))

    def last_seq(self) -> int:
        """The youngest entry's number, 0 when there is none."""
        row = self._sql.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
        return int(row[0])

    def count(self, key: str | None = None, last: int | None = None) -> int:
        """How many wait: all, or those of `key`, or those up to number `last`."""
        row = self._sql.execute(
            "SELECT count(*) FROM entry WHERE (:key IS NULL OR key = :key) AND (:last IS NULL OR seq <= :last)",
            {"key": key, "last": last},
        ).fetchone()
        return int(row[0])

    def has_untried_head(self, key: str, last: int) -> bool:
        """Is the oldest entry of `key`, up to `last`, still without a failed attempt?"""
        row = self._sql.execute(_UNTRIED_HEAD, (key, last)).fetchone()
        return row is not None and bool(row[0])

    def close(self) -> None:
        """Close the file."""
        self._sql.close()
