"""The one family of errors that the rules of `jobs` raise; `code` is the problem's slug in the HTTP contract."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One fault in a body: `pointer` is an RFC 6901 JSON Pointer into it, `detail` a sentence for its author."""

    pointer: str
    detail: str


class ChoreoError(Exception):
    """Root of every refusal. The docstring of a subclass is its title; the message says what was wrong this time."""

    code = "error"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = (), **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.extra = extra

    @property
    def title(self) -> str:
        """The error's kind in a few words, the same for each of its kind."""
        return (type(self).__doc__ or "").strip().split("\n")[0].rstrip(".")


class NotFound(ChoreoError):
    """There is nothing here."""

    code = "not-found"


class NotAllowed(ChoreoError):
    """Not allowed."""

    code = "forbidden"


class Invalid(ChoreoError):
    """The body does not fit."""

    code = "validation"


class RelativeValue(Invalid):
    """A term must hold an absolute value."""

    code = "relative-value"


class BudgetExceeded(Invalid):
    """The plan cannot fit in the job's max TTL."""

    code = "budget-exceeded"


class IllegalTransition(ChoreoError):
    """This state cannot follow that one."""

    code = "illegal-transition"


class StatusRegression(ChoreoError):
    """A task's status never goes backwards."""

    code = "status-regression"


class JobCancelled(ChoreoError):
    """The job was cancelled."""

    code = "job-cancelled"


class JobTerminal(IllegalTransition):
    """The job has ended."""

    code = "job-terminal"


class PreconditionFailed(ChoreoError):
    """The resource has changed since you read it."""

    code = "precondition-failed"


class PreconditionRequired(ChoreoError):
    """This write needs If-Match."""

    code = "precondition-required"
