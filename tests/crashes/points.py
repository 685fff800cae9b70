"""Counts every commit and every outbound send of this process, and kills it at the one that was asked for.

- A commit is a transaction that wrote something, or a single writing statement outside of one. To die at the commit of
  a transaction that only read, or whose updates found no row, is to die after the commit before it: these do not count.
- A send is one HTTP request of httpcore, which is under every call to a service and every text message, or one mail.
  "Before" is before anything is sent, "after" is when the other side has answered and nobody has looked at it yet.
- A wake-up through the broker is none: it is a hint that may be lost. In these runs every one is (see `play`).
"""

import os
import re
import signal
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.crashes.orders import Kill, Side

SEND = "send: "
"""What the label of a send begins with; that of a commit names what was written."""
COMMIT = "commit: "
_WRITE = re.compile(r'\b(INSERT(?: OR IGNORE)? INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
Execute = Callable[[str, Any, bool, dict[str, Any]], Any]
_READS = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "PRAGMA")


class Points:
    """`tell` hears the label of each point as it is reached, before this process may die there."""

    def __init__(self, tell: Callable[[str], None], kill: Kill | None) -> None:
        self._tell = tell
        self._kill = kill
        self._number = 0
        self._written: list[str] = []

    @contextmanager
    def around(self, label: str) -> Iterator[None]:
        """One point: what is in the block is the commit or the send."""
        self._number += 1
        self._tell(label)
        self._die(Side.BEFORE)
        try:
            yield
        finally:
            self._die(Side.AFTER)

    def install(self) -> None:
        """From now on, in this process."""
        connection.execute_wrappers.append(self._execute)
        self._wrap(BaseDatabaseWrapper, "_commit", self._commit)
        self._wrap(BaseDatabaseWrapper, "_rollback", self._rollback)
        self._wrap(httpcore.ConnectionPool, "handle_request", self._request)
        self._wrap(smtplib.SMTP, "sendmail", self._mail)

    def _die(self, side: Side) -> None:
        if self._kill == Kill(self._number, side):
            os.kill(os.getpid(), signal.SIGKILL)

    def _wrap(self, owner: type, name: str, wrapper: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        setattr(owner, name, lambda instance, *args, **kwargs: wrapper(original, instance, *args, **kwargs))

    def _execute(self, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        written = writes(sql)
        if not written:
            return execute(sql, params, many, context)
        if context["connection"].in_atomic_block:
            result = execute(sql, params, many, context)
            if written[0].startswith("insert") or context["cursor"].rowcount != 0:
                self._written += [what for what in written if what not in self._written]
            return result
        if written[0].startswith("insert"):
            with self.around(COMMIT + ", ".join(written)):
                return execute(sql, params, many, context)
        with transaction.atomic():  # the same as without, and an update that finds no row is known before its commit
            return self._execute(execute, sql, params, many, context)

    def _commit(self, original: Callable[..., Any], wrapper: BaseDatabaseWrapper) -> Any:
        written, self._written = self._written, []
        if not written:
            return original(wrapper)
        with self.around(COMMIT + ", ".join(written)):
            return original(wrapper)

    def _rollback(self, original: Callable[..., Any], wrapper: BaseDatabaseWrapper) -> Any:
        self._written = []
        return original(wrapper)

    def _request(self, original: Callable[..., Any], pool: httpcore.ConnectionPool, request: httpcore.Request) -> Any:
        target = request.url.target.decode("ascii").partition("?")[0]
        with self.around(f"{SEND}{request.method.decode()} {target}"):
            return original(pool, request)

    def _mail(
        self, original: Callable[..., Any], smtp: smtplib.SMTP, sender: str, to: Sequence[str], *args: Any
    ) -> Any:
        with self.around(f"{SEND}mail to {', '.join(to)}"):
            return original(smtp, sender, to, *args)


def writes(sql: str) -> list[str]:
    """What a statement writes, such as `update jobs_job`; nothing for one that reads, locks or opens a savepoint."""
    if sql.lstrip().upper().startswith(_READS):
        return []
    found = [f"{verb.split()[0].lower()} {table}" for verb, table in _WRITE.findall(sql)]
    return found or [sql.split()[0].lower()]
