"""A durable queue that hands its entries over later, when they cannot be handed over now.

Entries with the same key keep their order; nothing is merged or skipped. One daemon thread
delivers; `put` only writes a row, so it never waits for the network. Delivery is at least
once: a process killed between delivering and forgetting delivers again.
"""

import json
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from choreo_client.entries import Entries, Entry
from choreo_client.errors import ChoreoError
from choreo_client.fallback import Rng
from choreo_client.ladder import Policy, replay_at

log = logging.getLogger("choreo_client")

REPLAY_POLICY = Policy(replay_first=1.0, replay_longest=30.0)
"""Brisker than the ladder's slow schedule, as nothing here notices by other means that the peer is back."""


class TryAgain(ChoreoError):
    """Raised by a delivery that may succeed later.

    `retry_after` is in seconds, if the peer asked for it; `until` (Unix seconds) is when the entry is of no use any
    more, if that is before it is too old.
    """

    def __init__(self, reason: str, retry_after: float | None = None, until: float | None = None) -> None:
        self.retry_after = retry_after
        self.until = until
        super().__init__(reason)


class Expired(ChoreoError):
    """An entry failed even at the end of its time, and was given up."""


Deliver = Callable[[Entry], None]
Refused = Callable[[Entry, Exception], None]


class QueueOptions(TypedDict, total=False):
    """The keyword options of ReplayQueue, for what builds on it."""

    on_refused: Refused | None
    max_entries: int
    max_age: float
    clock: Callable[[], float]
    rng: Rng
    policy: Policy
    start: bool


class ReplayQueue:
    """Delivers entries in order per key until each succeeds, is refused or is too old.

    `deliver` returns (done), raises TryAgain (later) or anything else (refused, given to
    `on_refused` and dropped). `path` is an SQLite file of this queue alone that survives a
    kill; without it the entries live in memory. An entry is tried a last time at `max_age`
    (seconds); when it is tried before, the policy's replay schedule says. Without `start`,
    nothing moves until `pump` is called.
    """

    def __init__(
        self,
        deliver: Deliver,
        path: str | Path | None = None,
        *,
        on_refused: Refused | None = None,
        max_entries: int = 10_000,
        max_age: float = 86_400.0,
        clock: Callable[[], float] = time.time,
        rng: Rng = random.random,
        policy: Policy = REPLAY_POLICY,
        start: bool = True,
    ) -> None:
        self._deliver = deliver
        self._on_refused = on_refused
        self._max_entries = max_entries
        self._max_age = max_age
        self._clock = clock
        self._rng = rng
        self._policy = replace(policy, replay_window=max_age)
        self._entries = Entries(path)
        # Guards the entries; notified whenever one comes or goes.
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        if start:
            self._thread.start()

    @property
    def max_age(self) -> float:
        """How long an entry may wait, in seconds."""
        return self._max_age

    @property
    def pending(self) -> int:
        """How many entries wait."""
        with self._changed:
            return self._entries.count()

    def holds(self, key: str) -> bool:
        """Does anything with this key wait?"""
        with self._changed:
            return not self._closing and self._entries.count(key) > 0

    def put(self, key: str, kind: str, payload: dict[str, Any], delay: float = 0.0) -> bool:
        """Queue an entry, due in `delay` seconds; False, and a log line, when it cannot be kept. Never raises."""
        try:
            text = json.dumps(payload, allow_nan=False)
            with self._changed:
                if self._closing or self._entries.count() >= self._max_entries:
                    log.error("queue full or closed: %s of %s is lost", kind, key)
                    return False
                now = self._clock()
                self._entries.add(key, kind, text, now, now + delay)
                self._changed.notify_all()
        except (TypeError, ValueError, RecursionError, sqlite3.Error):
            log.exception("%s of %s is lost", kind, key)
            return False
        return True

    def flush(self, timeout: float, key: str | None = None) -> bool:
        """Wait until all that is queued now (for `key`) is gone; False if time runs out."""
        return self._await(key, timeout, lambda last: self._entries.count(key, last) > 0)

    def settle(self, key: str, timeout: float) -> bool:
        """As `flush`, but does not wait for a second attempt: False once one has failed."""
        return self._await(key, timeout, lambda last: self._entries.has_untried_head(key, last))

    def close(self, timeout: float = 1.0) -> bool:
        """Deliver for `timeout`, then stop, waiting as long at most; True when nothing is left."""
        delivered = self.flush(timeout if self._thread.is_alive() else 0.0)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            with self._changed:
                self._entries.close()
        return delivered

    def pump(self) -> float | None:
        """Deliver all that is due; seconds until the next is, None when nothing waits."""
        while True:
            with self._changed:
                entry = None if self._closing else self._entries.next_head()
            if entry is None:
                return None
            delay = entry.due_at - self._clock()
            if delay > 0:
                return delay
            self._attempt(entry)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._pump_and_wait()
            except sqlite3.Error:
                log.exception("the replay queue's file cannot be used")
                with self._changed:
                    self._changed.wait(self._policy.first_delay)

    def _pump_and_wait(self) -> None:
        delay = self.pump()
        with self._changed:
            # Something may have come since the pump looked; nobody would notify of it again.
            if not self._closing and not self._is_due():
                self._changed.wait(delay)

    def _is_due(self) -> bool:
        head = self._entries.next_head()
        return head is not None and head.due_at <= self._clock()

    def _await(self, key: str | None, timeout: float, waiting: Callable[[int], bool]) -> bool:
        with self._changed:
            last = 0 if self._closing else self._entries.last_seq()
            self._changed.wait_for(lambda: self._closing or not waiting(last), timeout)
            return not self._closing and not self._entries.count(key, last)

    def _attempt(self, entry: Entry) -> None:
        try:
            self._deliver(entry)
        except TryAgain as failure:
            self._postpone(entry, failure)
        except Exception as error:  # one bad entry must not stop the rest
            self._refuse(entry, error)
        else:
            self._forget(entry)

    def _postpone(self, entry: Entry, failure: TryAgain) -> None:
        last = entry.queued_at + self._max_age
        now, until = _moment(self._clock()), _moment(last if failure.until is None else min(last, failure.until))
        if now >= until:
            self._refuse(entry, Expired(str(failure)))
            return
        due_at = replay_at(
            self._policy, entry.attempts, now=now, until=until, rng=self._rng, retry_after=failure.retry_after
        )
        log.info("%s of %s will be tried again: %s", entry.kind, entry.key, failure)
        with self._changed:
            self._entries.postpone(entry.seq, due_at.timestamp())
            self._changed.notify_all()

    def _refuse(self, entry: Entry, error: Exception) -> None:
        log.warning("%s of %s is given up: %s", entry.kind, entry.key, error)
        try:
            if self._on_refused is not None:
                self._on_refused(entry, error)
        except Exception:  # a stranger's code; the queue goes on whatever it does
            log.exception("on_refused failed")
        # Forgotten only now: killed before, the refusal is met and told again.
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        with self._changed:
            self._entries.remove(entry.seq)
            self._changed.notify_all()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
