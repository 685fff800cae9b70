"""Query parameters of lists, and the links to the pages beside a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict

from jobs.api import links
from jobs.api.errors import InvalidQuery
from jobs.domain.states import JobStatus
from jobs.selectors import JobFilter, Page, Position

CURSOR = re.compile(r"([np])([0-9a-f]{13})([0-9a-f]{32})")
"""`n`ext or `p`revious, then microseconds since 1970 and the job's ID, both in hexadecimal."""
MAX_TEXT = 200
MAX_LIMIT = 200
MAX_OFFSET = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:(?P<second>\d\d)(?:\.\d+)?(?P<zone>[Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True)
class Window:
    """A part of a list that is short or does not move: up to `limit` entries after the first `offset`."""

    limit: int
    offset: int

    def of[T](self, rows: Sequence[T] | QuerySet[Any, T], here: str) -> tuple[list[T], list[links.Link]]:
        """The entries, and the links `self`, `next` and `prev`."""
        found = list(rows[self.offset : self.offset + self.limit + 1])
        shown = [links.link("self", self._at(here, self.offset) if self.offset else here)]
        if len(found) > self.limit:
            shown.append(links.link("next", self._at(here, self.offset + self.limit)))
        if self.offset:
            shown.append(links.link("prev", self._at(here, max(0, self.offset - self.limit))))
        return found[: self.limit], shown

    def _at(self, here: str, offset: int) -> str:
        return f"{here}?limit={self.limit}&offset={offset}"


def window(query: QueryDict) -> Window:
    """`limit` and `offset`. Raises InvalidQuery."""
    return Window(limit(query), _whole(query, "offset", 0, 0, MAX_OFFSET))


def limit(query: QueryDict) -> int:
    """1…200, 50 by default. Raises InvalidQuery."""
    return _whole(query, "limit", 50, 1, MAX_LIMIT)


def job_filter(query: QueryDict) -> JobFilter:
    """Raises InvalidQuery."""
    return JobFilter(
        statuses=_statuses(query.getlist("jobStatus")),
        name=_text(query, "jobName"),
        text=_text(query, "q"),
        started_after=_time(query, "startedAfter"),
        started_before=_time(query, "startedBefore"),
    )


def position(query: QueryDict) -> Position | None:
    """Where the page begins. Raises InvalidQuery for a cursor that was never given out."""
    if (text := query.get("cursor")) is None:
        return None
    match = CURSOR.fullmatch(text)
    if match is None:
        raise InvalidQuery("cursor", "Follow the links next and prev; a cursor is not made by hand.")
    way, micros, job_id = match.groups()
    return Position(_EPOCH + timedelta(microseconds=int(micros, 16)), UUID(hex=job_id), backwards=way == "p")


def page_links(query: QueryDict, page: Page) -> list[links.Link]:
    """`self`, `next` and `prev`, with the filters and the limit that this page was asked for."""
    here = links.api("jobs")
    found = [
        links.link("self", _href(here, query, query.get("cursor", ""))),
        links.link("up", links.api()),
        links.template("job", f"{here}/{{jobID}}"),
    ]
    for rel, beside in (("next", page.next), ("prev", page.previous)):
        if beside is not None:
            found.append(links.link(rel, _href(here, query, _cursor(beside))))
    return found


def _href(base: str, query: QueryDict, cursor: str) -> str:
    pairs = [(name, value) for name, values in query.lists() for value in values if name != "cursor"]
    pairs += [("cursor", cursor)] if cursor else []
    return f"{base}?{urlencode(pairs)}" if pairs else base


def _cursor(beside: Position) -> str:
    micros = (beside.created_at - _EPOCH) // timedelta(microseconds=1)
    return f"{'p' if beside.backwards else 'n'}{micros:013x}{beside.id.hex}"


def _whole(query: QueryDict, name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch("-?[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise InvalidQuery(name, f"This must be a whole number from {low} to {high}.")
    return int(text)


def _statuses(words: list[str]) -> list[str]:
    known = {status.value for status in JobStatus}
    if unknown := [word for word in words if word not in known]:
        raise InvalidQuery("jobStatus", f"This must be one of {', '.join(JobStatus)}; {len(unknown)} other(s) given.")
    return words


def _text(query: QueryDict, name: str) -> str:
    text = query.get(name, "")
    if len(text) > MAX_TEXT or "\x00" in text:
        raise InvalidQuery(name, f"This must be a text of at most {MAX_TEXT} characters, without NUL.")
    return text


def _time(query: QueryDict, name: str) -> datetime | None:
    if name not in query:
        return None
    text = str(query[name]).replace(" ", "+")  # a + that nobody encoded means a space in a query string
    try:
        return _instant(text)
    except (ValueError, OverflowError):
        raise InvalidQuery(name, "This must be a time as in RFC 3339, such as 2030-01-31T12:00:00Z.") from None


def _instant(text: str) -> datetime:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(text)
    leap = match["second"] == "60"
    if leap:
        text = text[: match.start("second")] + "59" + text[match.end("second") :]
    moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    return moment + timedelta(seconds=1) if leap else moment
