"""From `Operation` to OpenAPI: what every operation has in common is said here, once."""

from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from jobs.api import catalogue
from jobs.api.fields import UUID_PATTERN
from jobs.api.openapi import components
from jobs.api.openapi.operation import JsonSchema, Operation, header, said_of
from jobs.api.problems import MEDIA_TYPE

_TAG = r'"[!#-~]*"'
_TAG_LIST = rf"^(?:\*|(?:W/)?{_TAG}(?:, ?(?:W/)?{_TAG})*)$"
_TEXT: JsonSchema = {"type": "string"}

HEADERS: dict[str, JsonSchema] = {
    "correlation-id": {"description": "The jobID; elsewhere what the caller sent.", "schema": _TEXT},
    "request-id": {"description": "The taskID; elsewhere what the caller sent, or a new one.", "schema": _TEXT},
    "ETag": {"description": "The strong entity tag of this version.", "schema": {"type": "string", "pattern": _TAG}},
    "Location": {"description": "The URL of what was made.", "schema": {"type": "string", "format": "uri"}},
    "Link": {"description": "sharedState, progress, up, profile (RFC 8288).", "schema": _TEXT},
    "Cache-Control": {"description": "Who may keep it, and for how long.", "schema": _TEXT},
    "Last-Modified": {"description": "When it last changed.", "schema": _TEXT},
    "Vary": {"description": "The request headers that decided on this answer.", "schema": _TEXT},
    "Allow": {"description": "The methods of this resource.", "schema": _TEXT},
    "WWW-Authenticate": {"description": "How to say who you are.", "schema": _TEXT},
    "Retry-After": {"description": "Whole seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Preference-Applied": {"description": "The preference that was honoured (RFC 7240).", "schema": _TEXT},
}
PATH_NAMES = {
    "job_id": "jobID",
    "task_id": "taskID",
    "report_id": "reportID",
    "incident_id": "incidentID",
    "location_id": "locationID",
    "service_name": "name",
    "property": "property",
}
_UUID: JsonSchema = {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}
_PATH_SCHEMAS: dict[str, JsonSchema] = {
    "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"},
    "property": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"},
}
_STATUS_WORDS = {
    200: "As asked.",
    201: "Made.",
    202: "Under way.",
    204: "Done.",
    303: "A person's browser is sent to the operator UI.",
    304: "Not changed.",
}


class ApiSchema(AutoSchema):
    """drf-spectacular's inspector: finds the operation's own words and completes them."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Any:
        """The Operation Object, None for a method of which nothing is said."""
        handler = getattr(self.view, method.lower())
        said = said_of(handler)
        return None if said is None else _operation(said, handler.__doc__ or "", method.upper(), path)


class Generator(SchemaGenerator):
    """The whole document."""

    def get_schema(self, request: Any = None, public: bool = True) -> JsonSchema:
        """OpenAPI 3.1 of every app whose views have an `operation`."""
        document: JsonSchema = super().get_schema(request, public)  # type: ignore[no-untyped-call]  # drf-spectacular's
        document["openapi"] = "3.1.0"
        document["servers"] = [{"url": settings.CHOREO_PUBLIC_URL}]
        document["paths"] = {_named(path): item for path, item in document["paths"].items()}
        _link(document["paths"])
        document["components"] = {
            "schemas": dict(sorted(components.SCHEMAS.items())),
            "headers": HEADERS,
            "responses": {f"Problem{status}": _problem(status) for status in _statuses()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of one service."},
            },
        }
        return document


def document() -> JsonSchema:
    """The document as it stands; it does not change while the process lives."""
    return Generator().get_schema()  # type: ignore[no-untyped-call]  # its constructor has no annotations


def _link(paths: JsonSchema) -> None:
    """From what a PUT makes to everything that can then be done with it and below it (OpenAPI's Link Object)."""
    for path, item in paths.items():
        made = item.get("put", {}).get("responses", {}).get("201")
        if made is None:
            continue
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        parameters = {name: f"$request.path.{name}" for name in names}
        made["links"] = {
            operation["operationId"]: {"operationId": operation["operationId"], "parameters": parameters}
            for other, methods in paths.items()
            for operation in methods.values()
            if f"{other}/".startswith(f"{path}/")
        }


def _operation(said: Operation, description: str, method: str, path: str) -> JsonSchema:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    operation: JsonSchema = {
        "operationId": _operation_id(method, path),
        "summary": said.summary,
        "description": " ".join(description.split()),
        "tags": [said.tag],
        "parameters": [*map(_path_parameter, names), *said.parameters, *_conditions(said, method)],
        "security": [] if said.public else [{"bearer": []}],
        "responses": _responses(said, method, bool(names)),
        **said.extra,
    }
    if said.body:
        content = {media: {"schema": _body(said.body, media)} for media in said.media_types}
        operation["requestBody"] = {"required": said.body_required, "content": content}
    return operation


def _responses(said: Operation, method: str, has_parent: bool) -> JsonSchema:
    answers = {str(status): _answer(said, status, method) for status in said.answers}
    if said.has_page:
        answers["303"] = _bare(303, "Location")
    if said.conditional and method == "GET":
        answers["304"] = _bare(304, "ETag", "Cache-Control", "Vary")
    for status in sorted(_errors(said, method, has_parent)):
        answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return answers


def _errors(said: Operation, method: str, has_parent: bool) -> set[int]:
    found = {400, 406, 500, 503, *said.errors}
    if not said.public:
        found |= {401}
    if has_parent:
        found |= {404}
    if said.conditional:
        found |= {412}
    if method != "GET":
        found |= {403, 411, 413}
    return found | ({415, 422} if said.body else set())


def _answer(said: Operation, status: int, method: str) -> JsonSchema:
    names = ["Location"] if status == 201 else []
    if said.tagged_answer or (said.conditional and method == "GET"):
        names += ["ETag", "Vary"]
    answer = _bare(status, *names, *said.headers, *(["Cache-Control"] if status != 204 else []))
    if schema := said.answers[status]:
        answer["content"] = {media: {"schema": _body(schema, media)} for media in said.answer_media_types}
    return answer


def _body(name: str, media_type: str) -> JsonSchema:
    return components.ref("Alps" if media_type == "application/alps+json" else name)


def _bare(status: int, *names: str) -> JsonSchema:
    return {"description": _STATUS_WORDS[status], "headers": _header_refs("correlation-id", "request-id", *names)}


def _problem(status: int) -> JsonSchema:
    kinds = [kind for kind in catalogue.kinds() if kind.status == status]
    named = {
        401: ["WWW-Authenticate"],
        405: ["Allow"],
        429: ["Retry-After"],
        500: ["Retry-After"],
        503: ["Retry-After"],
    }
    return {
        "description": "; ".join(f"{kind.slug}: {kind.title}" for kind in kinds),
        "headers": _header_refs("correlation-id", "request-id", *named.get(status, [])),
        "content": {MEDIA_TYPE: {"schema": components.ref("Problem")}},
    }


def _header_refs(*names: str) -> JsonSchema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _conditions(said: Operation, method: str) -> list[JsonSchema]:
    """If-Match and If-None-Match, where they are honoured."""
    if not said.conditional:
        return []
    tags: JsonSchema = {"type": "string", "pattern": _TAG_LIST, "examples": ['"j1"']}
    none_match = tags if method == "GET" else {"type": "string", "enum": ["*"]}
    match = header("If-Match", tags, "Only if one of these is the current tag.", required=said.if_match_required)
    return [match, header("If-None-Match", none_match, "Only if it is another version (`*`: nothing yet).")]


def _path_parameter(name: str) -> JsonSchema:
    shown = PATH_NAMES.get(name, name)
    return {"name": shown, "in": "path", "required": True, "schema": _PATH_SCHEMAS.get(shown, _UUID)}


def _named(path: str) -> str:
    for name, shown in PATH_NAMES.items():
        path = path.replace(f"{{{name}}}", f"{{{shown}}}")
    return path


def _operation_id(method: str, path: str) -> str:
    words = [part for part in path.removeprefix("/api/v1").split("/") if part]
    shown = "".join(_word(part) for part in words) or "Home"
    return method.lower() + shown


def _word(part: str) -> str:
    if part.startswith("{"):
        return "One"
    return "".join(word.capitalize() for word in part.split("-"))


def _statuses() -> list[int]:
    return sorted({kind.status for kind in catalogue.kinds()})
