"""Every kind of problem that the API answers with: its slug, HTTP status, title, and what a reader of it can do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of problem. `advice` is for the person who follows the `type` URL."""

    slug: str
    status: int
    title: str
    advice: str


_KINDS: dict[str, Kind] = {}


def add(slug: str, status: int, title: str, advice: str) -> Kind:
    """Enter a kind. Another app calls this at import of its API, once for each `code` of its own errors."""
    kind = Kind(slug, status, title, advice)
    _KINDS[slug] = kind
    return kind


def find(slug: str) -> Kind | None:
    """The kind with this slug."""
    return _KINDS.get(slug)


def kinds() -> list[Kind]:
    """All of them, by slug."""
    return sorted(_KINDS.values(), key=lambda kind: kind.slug)


_RETRY = "Nothing was changed. Wait for the seconds of Retry-After and send the same request again."

INTERNAL = add(
    "internal", 500, "Choreo failed", "The fault is on our side, and it is logged with the request-id. " + _RETRY
)
UNAVAILABLE = add(
    "unavailable", 503, "The database does not answer", "Choreo cannot reach its database at the moment. " + _RETRY
)
BAD_REQUEST = add(
    "bad-request", 400, "The request cannot be served", "Read detail, correct the request, send it again."
)
CONFLICT = add("conflict", 409, "The request conflicts with what is there", "Read the resource, then decide.")
NOT_ACCEPTABLE = add("not-acceptable", 406, "Not available in that media type", "Ask for application/json in Accept.")
METHOD = add(
    "method-not-allowed", 405, "Not a method of this resource", "The header Allow lists the methods that it has."
)
MEDIA_TYPE = add(
    "media-type",
    415,
    "The body's media type is not one that is read here",
    "Send Content-Type: application/json; for PATCH, application/merge-patch+json. The header Accept lists them.",
)
UNAUTHORIZED = add(
    "unauthorized",
    401,
    "Who are you?",
    "Send Authorization: Bearer followed by a token of your service; `manage.py issue_token SERVICE` makes one.",
)
TOO_MANY = add("too-many-requests", 429, "Too many requests", _RETRY)

add("malformed", 400, "The request cannot be read", "Send one UTF-8 JSON value, no name twice, at most 32 levels deep.")
add("invalid-query", 422, "A query parameter does not fit", "Correct the parameter that the problem names.")
add("body-too-large", 413, "The body is too large", "Send less: state holds values, not documents. Link to documents.")
add("length-required", 411, "The length of the body is not known", "Send the header Content-Length.")
add(
    "correlation-mismatch",
    400,
    "An ID in a header contradicts the URL",
    "correlation-id is the jobID and request-id the taskID of the URL. Leave them out, or send the same ones.",
)
add(
    "correlation-invalid",
    400,
    "A correlation header cannot be read",
    "correlation-id and request-id are 1 to 128 visible ASCII characters.",
)
NOT_FOUND = add(
    "not-found", 404, "There is nothing here", "Check the URL and its IDs; a job must be PUT before its parts."
)
FORBIDDEN = add(
    "forbidden",
    403,
    "Not allowed",
    "The job's owner and the services with a task in it read it; a task is written by the service that first wrote it.",
)
VALIDATION = add(
    "validation", 422, "The body does not fit", "Each entry of errors points at one member of the body and says why."
)
add(
    "relative-value",
    422,
    "A term must hold an absolute value",
    "A change that is written twice is made twice. Name the value that results: updatedPrice, never percentIncrease.",
)
add(
    "budget-exceeded",
    422,
    "The plan cannot fit in the job's max TTL",
    "Allow more time, fewer attempts or shorter delays; without Prefer: handling=strict the job is accepted as it is.",
)
add("illegal-transition", 409, "This state cannot follow that one", "The problem names both states. Read the resource.")
add(
    "status-regression",
    409,
    "A task's status never goes backwards",
    "This is a late duplicate of an earlier report. Nothing was changed, and nothing needs to be done.",
)
add(
    "job-cancelled",
    409,
    "The job was cancelled",
    "Stop working on it. What was done already is recorded, and a call to the task's revert URL follows.",
)
add("job-terminal", 409, "The job has ended", "A job that has ended never reopens; begin another with a new jobID.")
add(
    "precondition-failed",
    412,
    "The resource has changed since you read it",
    "GET it again, make your change to what you get, and write that with If-Match and the new ETag.",
)
add(
    "precondition-required",
    428,
    "This write needs If-Match",
    "GET the resource first, and write with If-Match and the ETag that came with it, so that no one's write is lost.",
)
