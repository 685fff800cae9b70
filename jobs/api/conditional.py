"""Conditional requests over HTTP (RFC 9110 §13): reading the headers, and 304 and 412 for reads."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from jobs.api.errors import Malformed
from jobs.domain.errors import PreconditionFailed
from jobs.domain.preconditions import Precondition

_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
_LIST = re.compile(rf"\s*(?:{_TAG.pattern}\s*(?:,\s*|$))+")

VARY = "Accept, Authorization, Cookie"
PRIVATE = "private, no-cache"
"""Keep it, but ask each time: the 304 is cheap, and nobody acts on a stale job."""


def precondition(request: HttpRequest) -> Precondition:
    """What a write demands. Raises Malformed for headers that cannot be read or, on a write, would mean nothing."""
    none_match = _tags(request, "If-None-Match")
    if none_match is not None and none_match != ("*",):
        raise Malformed("With a write, If-None-Match can only be *: write only if there is nothing yet.")
    if_match = _tags(request, "If-Match")
    return Precondition(if_match=if_match and _strong(if_match), if_none_match_any=none_match is not None)


def answer(
    request: HttpRequest,
    etag: str,
    build: Callable[[], HttpResponse],
    *,
    cache: str = PRIVATE,
    vary: str = VARY,
) -> HttpResponse:
    """A read's response: 304 when the caller has this version, else `build()`; both with the same metadata.

    `build` is only called when its body is wanted. Raises Malformed, or PreconditionFailed for an If-Match that names
    another version.
    """
    if_match, none_match = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    if if_match is not None and "*" not in if_match and etag not in _strong(if_match):
        raise PreconditionFailed("If-Match names another version than the current one.", etag=etag)
    unchanged = _is_listed(etag, none_match)
    response = HttpResponse(status=304) if unchanged else build()
    if unchanged:
        del response["Content-Type"]
    response["ETag"] = etag
    response["Cache-Control"] = cache
    response["Vary"] = vary
    response["Date"] = http_date()
    return response


def _tags(request: HttpRequest, name: str) -> tuple[str, ...] | None:
    value = request.headers.get(name)
    if value is None:
        return None
    if value.strip() == "*":
        return ("*",)
    if not _LIST.fullmatch(value):
        raise Malformed(f'{name} is * or a list of entity tags, each in double quotes: "j1".')
    return tuple(_TAG.findall(value))


def _strong(tags: tuple[str, ...]) -> tuple[str, ...]:
    """If-Match compares strongly (§8.8.3.2): a weak tag never matches."""
    return tuple(tag for tag in tags if not tag.startswith("W/"))


def _is_listed(etag: str, tags: tuple[str, ...] | None) -> bool:
    """If-None-Match compares weakly: `W/"j1"` is `"j1"`."""
    return tags is not None and ("*" in tags or etag in {tag.removeprefix("W/") for tag in tags})
