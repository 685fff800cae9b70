"""The refusals that HTTP itself brings about, beside those of `jobs.domain.errors`."""

from collections.abc import Mapping

from jobs.domain.errors import ChoreoError


class HttpError(ChoreoError):
    """The request cannot be served.

    `headers` go into the response.
    """

    code = "bad-request"

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.extra = extra
        self.headers = headers or {}


class WrongMediaType(HttpError):
    """The body's media type is not one that is read here."""

    code = "media-type"


class Malformed(ChoreoError):
    """The request cannot be read."""

    code = "malformed"


class BodyTooLarge(ChoreoError):
    """The body is too large."""

    code = "body-too-large"


class LengthRequired(ChoreoError):
    """The length of the body is not known."""

    code = "length-required"


class InvalidQuery(ChoreoError):
    """A query parameter does not fit."""

    code = "invalid-query"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}", parameter=parameter)


class CorrelationMismatch(ChoreoError):
    """An ID in a header contradicts the URL."""

    code = "correlation-mismatch"


class CorrelationInvalid(ChoreoError):
    """A correlation header is not 1 to 128 visible ASCII characters."""

    code = "correlation-invalid"
