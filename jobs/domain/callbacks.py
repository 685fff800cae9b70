"""The fallback plan of a cancel or revert call, as pure functions (pattern: "Plan for failure"; the contract: "What
the server sends to services").

A round of attempts begins when a call falls due and ends when it is settled. Where it stands follows from nothing but
what its attempts came to, so that it is the same after a crash.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit

MAX_TRIES = 3
"""Attempts at one location, before the next one has its turn."""
FIRST_WAIT = 1.0
"""Seconds before the second attempt at a location; twice as long before each one after that."""
FIRST_POLL = 2.0
POLL_GROWTH = 1.5
LONGEST_POLL = 60.0
LONGEST_RETRY_AFTER = 300.0
"""A service may ask for patience (Retry-After), in seconds, but not for so much that an undo is forgotten."""
MAX_URL = 2000


class Outcome(StrEnum):
    """How a call is settled, in a word."""

    DONE = "done"
    NOTHING_TO_UNDO = "nothing-to-undo"
    NEEDLESS = "needless"
    """The task had settled by itself before a call went out."""
    REFUSED = "refused"
    BLOCKED = "blocked"
    NO_URL = "no-url"
    GAVE_UP = "gave-up"
    STILL_UNDER_WAY = "still-under-way"


class AnswerKind(StrEnum):
    """What one attempt came to."""

    DONE = "done"
    NOTHING = "nothing-to-undo"
    UNDER_WAY = "under-way"
    REFUSED = "refused"
    TRANSIENT = "transient"
    BLOCKED = "blocked"
    """Never sent, because the address is forbidden or the URL cannot be called: no use trying it again."""


@dataclass(frozen=True)
class Answer:
    """One attempt's answer. `retry_after` is in seconds; `location` is where a 202 said the outcome will be, absolute,
    or empty; `detail` is a short text that is safe to show to operators."""

    kind: AnswerKind
    detail: str = ""
    status_code: int | None = None
    retry_after: float | None = None
    location: str = ""


@dataclass(frozen=True)
class Standing:
    """Where a round stands: at which location (0 is the URL that the task gave), and what came of it there.

    `silent` counts the transient failures since the service last said that it is at work, `lost` how often the place
    where a 202 promised the outcome was gone, `polls` the 202s.
    """

    location: int = 0
    silent: int = 0
    lost: int = 0
    polls: int = 0

    @property
    def misses(self) -> int:
        """What counts against the cap of this location."""
        return self.silent + self.lost

    def after(self, kind: AnswerKind) -> "Standing":
        """Where the round stands once an attempt has come to this, without settling the call."""
        if kind is AnswerKind.UNDER_WAY:
            return replace(self, silent=0, polls=self.polls + 1)
        if kind is AnswerKind.BLOCKED:
            return Standing(self.location + 1)
        if kind is AnswerKind.NOTHING:
            return replace(self, lost=self.lost + 1)._or_next()
        return replace(self, silent=self.silent + 1)._or_next()

    def _or_next(self) -> "Standing":
        return self if self.misses < MAX_TRIES else Standing(self.location + 1)


@dataclass(frozen=True)
class Retry:
    """Try again at `at`: ask `poll_url` by GET if there is one, else PUT to the location of this index."""

    at: datetime
    location: int
    poll_url: str = ""


@dataclass(frozen=True)
class Settle:
    """The call is over: `done` or failed, and how."""

    done: bool
    outcome: Outcome


def classify(status_code: int) -> AnswerKind:
    """What an HTTP status means for a cancel or a revert.

    A status that is no final answer (1xx) or none at all counts as a server's fault (RFC 9110 section 15).
    """
    if status_code == 202:
        return AnswerKind.UNDER_WAY
    if 200 <= status_code < 300:
        return AnswerKind.DONE
    if status_code in {404, 410}:
        return AnswerKind.NOTHING
    if 300 <= status_code < 500 and status_code not in {408, 425, 429}:
        return AnswerKind.REFUSED
    return AnswerKind.TRANSIENT


def standing(past: Iterable[AnswerKind]) -> Standing:
    """Where a round stands after these attempts, oldest first; attempts that were interrupted are not among them."""
    here = Standing()
    for kind in past:
        here = here.after(kind)
    return here


def next_step(
    before: Standing,
    answer: Answer,
    *,
    poll_url: str,
    locations: int,
    now: datetime,
    give_up_at: datetime,
    rng: random.Random,
) -> Retry | Settle:
    """What follows from an answer.

    `before` is where the round stood when the attempt was made, `poll_url` what it polled (empty after a PUT),
    `locations` how many there are, `give_up_at` the end of the replay window: the longest that a 202 is believed.
    """
    if answer.kind is AnswerKind.DONE:
        return Settle(True, Outcome.DONE)
    if answer.kind is AnswerKind.NOTHING and not poll_url:
        return Settle(True, Outcome.NOTHING_TO_UNDO)
    if answer.kind is AnswerKind.REFUSED:
        return Settle(False, Outcome.REFUSED)
    here = before.after(answer.kind)
    if answer.kind is AnswerKind.UNDER_WAY:
        return _poll(here, answer, poll_url, now, give_up_at, rng)
    if here.location >= locations:
        return Settle(False, Outcome.BLOCKED if answer.kind is AnswerKind.BLOCKED else Outcome.GAVE_UP)
    if here.location != before.location:
        return Retry(now, here.location)
    wait = _wait(FIRST_WAIT * 2 ** (here.misses - 1), answer, rng)
    # What was promised at a place that is gone is asked for afresh, by the PUT, which may be repeated at any time.
    return Retry(now + wait, here.location, poll_url if answer.kind is AnswerKind.TRANSIENT else "")


def retry_after(value: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110 section 10.2.3: seconds or a date), None if it is
    neither."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def poll_location(url: str, location: str) -> str:
    """The absolute URL that a `Location` header names, relative to the URL that answered; empty if it is unusable."""
    try:
        target = urldefrag(urljoin(url, location.strip())).url
        usable = urlsplit(target).scheme in {"http", "https"} and bool(urlsplit(target).hostname)
    except ValueError:
        return ""
    return target if location.strip() and usable and len(target) <= MAX_URL else ""


def fallback_location(given: str, fallback: str) -> str:
    """Where to call when the given URL does not answer.

    A fallback that is only an origin (`https://spare.example`) stands in for the given URL's own: path and query are
    kept. One with a path or a query is called as it stands.
    """
    base, path = urlsplit(fallback), urlsplit(given)
    if base.path not in {"", "/"} or base.query:
        return fallback
    return urlunsplit((base.scheme, base.netloc, path.path or "/", path.query, ""))


def _poll(
    here: Standing, answer: Answer, poll_url: str, now: datetime, give_up_at: datetime, rng: random.Random
) -> Retry | Settle:
    """Ask again after a while that grows, and once more at the very end of the window."""
    if now >= give_up_at:
        return Settle(False, Outcome.STILL_UNDER_WAY)
    grown = FIRST_POLL * POLL_GROWTH ** min(here.polls - 1, 20)
    at = min(now + _wait(min(grown, LONGEST_POLL), answer, rng), give_up_at)
    return Retry(at, here.location, answer.location or poll_url)


def _wait(seconds: float, answer: Answer, rng: random.Random) -> timedelta:
    """Equal jitter, half fixed and half random, so that many calls that failed together do not come back together;
    never sooner than the service asked for."""
    jittered = seconds / 2 + rng.random() * seconds / 2
    return timedelta(seconds=max(jittered, min(answer.retry_after or 0.0, LONGEST_RETRY_AFTER)))
