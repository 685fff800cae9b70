"""What is said of one operation, beside the method that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

JsonSchema = dict[str, Any]
Method = TypeVar("Method", bound=Callable[..., Any])

PATCH_TYPES = ("application/merge-patch+json", "application/json")

_ATTRIBUTE = "openapi_operation"


@dataclass(frozen=True)
class Operation:
    """`answers` names the schema component of each success (empty: no body); `errors` are the statuses of problems
    beside those that every operation has. `body` names the schema component of the request's body."""

    summary: str
    answers: Mapping[int, str]
    tag: str = "Jobs"
    body: str = ""
    media_types: tuple[str, ...] = ("application/json",)
    answer_media_types: tuple[str, ...] = ("application/json",)
    body_required: bool = True
    errors: tuple[int, ...] = ()
    parameters: tuple[JsonSchema, ...] = ()
    headers: tuple[str, ...] = ()
    conditional: bool = False
    if_match_required: bool = False
    tagged_answer: bool = False
    has_page: bool = False
    public: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def operation(summary: str, answers: Mapping[int, str], **more: Any) -> Callable[[Method], Method]:
    """Say what a view's method does; see `Operation`. The method's docstring is the description."""

    def mark(method: Method) -> Method:
        setattr(method, _ATTRIBUTE, Operation(summary, answers, **more))
        return method

    return mark


def said_of(method: object) -> Operation | None:
    """What `operation` said of it."""
    found: Operation | None = getattr(method, _ATTRIBUTE, None)
    return found


def query(name: str, schema: JsonSchema, description: str, *, many: bool = False) -> JsonSchema:
    """An optional query parameter; `many` may be repeated."""
    parameter: JsonSchema = {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "array", "items": schema} if many else schema,
    }
    return parameter | ({"style": "form", "explode": True} if many else {})


def header(name: str, schema: JsonSchema, description: str, *, required: bool = False) -> JsonSchema:
    """A request header."""
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "How many at most.")
OFFSET = query("offset", {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0}, "How many to skip.")
WINDOW = (LIMIT, OFFSET)
