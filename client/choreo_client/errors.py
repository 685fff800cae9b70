"""Every error that this package raises, under one root."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class ChoreoError(Exception):
    """The root: catch this to catch everything that choreo_client raises."""


class Unreachable(ChoreoError):
    """No answer came from Choreo: connection refused or lost, or the timeout passed."""


class UnreadableAnswer(ChoreoError):
    """The answer was a success without the JSON object that the contract promises."""


class SignatureError(ChoreoError):
    """A webhook is unsigned, signed with another secret, altered, or too old or new."""


class Problem(ChoreoError):
    """Choreo refused: an RFC 9457 problem, or any other answer that is no success.

    `members` holds the whole problem object, extensions included ({} when the body
    was not one), `retry_after` the seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        status: int,
        members: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.members: dict[str, Any] = dict(members or {})
        self.retry_after = retry_after
        super().__init__(f"{status} {self.title} {self.detail}".strip())

    @property
    def code(self) -> str:
        """The last path segment of `type`, e.g. `job-cancelled`; "" when there is none."""
        path = urlsplit(str(self.members.get("type", ""))).path.rstrip("/")
        return path.rpartition("/")[2] if "/" in path else ""

    @property
    def title(self) -> str:
        """The problem's short, stable summary."""
        return str(self.members.get("title", ""))

    @property
    def detail(self) -> str:
        """What went wrong this time, for a person."""
        return str(self.members.get("detail", ""))
