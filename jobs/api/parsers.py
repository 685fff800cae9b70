"""Strict JSON: one text has one meaning, or it is refused (RFC 8259, and I-JSON's advice in RFC 7493)."""

import json
import math
import re
from typing import IO, Any, NamedTuple, NoReturn

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from jobs.api.errors import BodyTooLarge, LengthRequired, Malformed

MAX_DEPTH = 32
MAX_DIGITS = 300
"""Digits of one number: what a double can hold; more is an attack or a mistake."""

_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)  # possessive: never scans a text twice
_UNSAFE = re.compile("[\x00\ud800-\udfff]")

JsonObject = dict[str, Any]


class Document(NamedTuple):
    """A body: its text exactly as it came, and what it means."""

    text: str
    value: Any


def read_body(request: HttpRequest) -> bytes:
    """The whole body, at most `CHOREO_MAX_BODY_BYTES` of it.

    Raises BodyTooLarge without reading on, and LengthRequired when the server in front of us cannot tell where a
    body without Content-Length ends.
    """
    limit = int(settings.CHOREO_MAX_BODY_BYTES)
    if _declared_length(request) > limit:
        raise BodyTooLarge(f"The body may have {limit} bytes.")
    body = _stream(request).read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"The body may have {limit} bytes.")
    return body


def parse_document(body: bytes) -> Document:
    """Decode and parse. Raises Malformed for whatever is not one unambiguous JSON value."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    if not text.strip(" \t\r\n"):
        raise Malformed("The body is empty; JSON was expected.")
    _check_depth(text)
    value = _parse(text)
    if "\\u" in text:  # only an escape can bring in a NUL or half of a surrogate pair
        _check_strings(value)
    return Document(text, value)


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Malformed("Content-Length is not a number.") from None


def _stream(request: HttpRequest) -> IO[bytes]:
    """Where to read from. To Django a WSGI request without Content-Length is empty; a chunked one is not."""
    if not isinstance(request, WSGIRequest) or request.META.get("CONTENT_LENGTH"):
        return request  # type: ignore[return-value]  # HttpRequest has read(); its stubs do not say so
    if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return request  # type: ignore[return-value]  # as above
    if not request.environ.get("wsgi.input_terminated"):
        raise LengthRequired("Send Content-Length.")
    stream: IO[bytes] = request.environ["wsgi.input"]
    return stream


def _check_depth(text: str) -> None:
    """Count the nesting before the parser, which recurses, sees the text."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")
        elif token in "]}":
            depth -= 1


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_not_json,
            parse_int=_integer,
            parse_float=_double,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(f"The body is not JSON: {error.msg.removesuffix(' at')} at {where}.") from None


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("A member's name occurs twice in one object.")
    return members


def _not_json(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON value.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Malformed(f"A number has more than {MAX_DIGITS} digits.")
    return int(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if len(digits) > MAX_DIGITS or not math.isfinite(number):
        raise Malformed("A number is too large or too long.")
    return number


def _check_strings(value: Any) -> None:
    if isinstance(value, str):
        if _UNSAFE.search(value):
            raise Malformed("A string holds \\u0000 or half of a surrogate pair.")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_strings(name)
            _check_strings(member)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)


class StrictJSONParser(BaseParser):
    """REST framework's door to `parse_document`; `request.data` is then the parsed value."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The body's value."""
        return parse_document(read_body(_underlying(stream))).value


class MergePatchParser(StrictJSONParser):
    """RFC 7396."""

    media_type = "application/merge-patch+json"


class AlpsParser(StrictJSONParser):
    """ALPS in JSON."""

    media_type = "application/alps+json"


class ProblemParser(StrictJSONParser):
    """RFC 9457, for error reports."""

    media_type = "application/problem+json"


def _underlying(stream: Request | HttpRequest) -> HttpRequest:
    return stream._request if isinstance(stream, Request) else stream
