"""What every transport has in common: one message in, a receipt out, or one of two errors."""

from dataclasses import dataclass
from typing import Protocol

TIMEOUT = 10.0
"""Seconds after which a provider that hangs loses its turn."""


@dataclass(frozen=True)
class Message:
    """A message for one address. `message_id` is the same for every attempt; `thread` for all about one incident."""

    to: str
    text: str
    subject: str = ""
    html: str = ""
    message_id: str = ""
    thread: str = ""


@dataclass(frozen=True)
class Receipt:
    """The provider accepted the message; `provider_id` is what it calls it, when it says so."""

    provider_id: str = ""
    detail: str = ""


class TransientError(Exception):
    """It may work later: no answer, a busy provider, an outage. The message is kept and sent again."""


class PermanentError(Exception):
    """It will never work like this: a wrong address, a refused login. The next way gets its turn at once."""


class Transport(Protocol):
    """One way to send. `name` is what the attempt is recorded under."""

    @property
    def name(self) -> str:
        """A short name, such as `twilio`."""

    def deliver(self, message: Message) -> Receipt:
        """Hand the message over. Raises TransientError or PermanentError, and returns only what was accepted."""
