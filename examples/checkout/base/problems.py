"""What can go wrong in a service, and the problem object that tells of it."""

from typing import Any


class ServiceError(Exception):
    """The root of the example's own errors; answered as an RFC 9457 problem."""

    status = 500
    title = "Internal error"


class BadRequest(ServiceError):
    """The request cannot be understood."""

    status = 400
    title = "Bad request"


class Unauthorized(ServiceError):
    """The request is not signed by Choreo."""

    status = 401
    title = "Bad signature"


class NotFound(ServiceError):
    """Nothing is known under this address."""

    status = 404
    title = "Not found"


class TooLarge(ServiceError):
    """The body is longer than any honest one."""

    status = 413
    title = "Body too large"


class CannotUndo(ServiceError):
    """The effect stands, and this attempt could not take it back."""

    status = 500
    title = "Cannot undo"


class Overloaded(ServiceError):
    """Nothing more can be kept safely now; the sender should come again."""

    status = 503
    title = "Overloaded"


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    """An RFC 9457 problem object."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
