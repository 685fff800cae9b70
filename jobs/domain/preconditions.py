"""Conditional requests (RFC 9110 §13), as far as they are rules and not HTTP."""

import hashlib
import json
from dataclasses import dataclass

from jobs.domain.errors import PreconditionFailed


def etag(kind: str, version: int) -> str:
    """The strong entity tag, quotes included, of version `version` of a resource of this kind (`j`, `t`, `s` …)."""
    return f'"{kind}{version}"'


def content_etag(kind: str, content: object) -> str:
    """The strong entity tag, quotes included, of a resource that is made of this content: what JSON can hold, and
    times and IDs.

    Unlike a count of the writes it does not tell by which way the content came about: the same reports, repeated or
    in another order, end at the same tag.
    """
    text = json.dumps(content, default=str, sort_keys=True)
    return f'"{kind}{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True)
class Precondition:
    """What a write demands of the present: `if_match` holds the strong tags as sent (`("*",)` for any)."""

    if_match: tuple[str, ...] | None = None
    if_none_match_any: bool = False

    def check(self, current: str | None) -> None:
        """Compare with the current tag, None where nothing exists yet. Raises PreconditionFailed, bearing the tag."""
        if self.if_match is not None and not self._matches(current):
            raise PreconditionFailed("If-Match names another version than the current one.", etag=current)
        if self.if_none_match_any and current is not None:
            raise PreconditionFailed("If-None-Match: * asks for a new resource, but this one exists.", etag=current)

    def _matches(self, current: str | None) -> bool:
        return current is not None and self.if_match is not None and ("*" in self.if_match or current in self.if_match)


NO_PRECONDITION = Precondition()
