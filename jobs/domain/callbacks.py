"""What follows from the answer to a cancel or revert call (the contract: "What the server sends to services").

Which location has the next try, and when, is the ladder's business (`choreo_client.ladder`), which services climb as
well; here stands what only these calls have: answers that settle them, a 202 whose outcome is polled, and the replay
queue. A round of attempts begins when a call falls due and ends when it is settled or queued. Where it stands follows
from nothing but what its attempts came to, so that it is the same after a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urldefrag, urljoin, urlsplit

from choreo_client import ladder
from choreo_client.fallback import Rng, is_transient, standing_in
from choreo_client.ladder import Location, Policy, Rung

FIRST_POLL = 2.0
POLL_GROWTH = 1.5
LONGEST_POLL = 60.0
LONGEST_POLL_WAIT = 300.0
"""A service at work may ask for patience (Retry-After), in seconds, but not for so much that an undo is forgotten."""
MAX_URL = 2000
MAX_REGISTRY_LOCATIONS = 3


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

    @property
    def from_service(self) -> bool:
        """Did the service itself answer, and sensibly: is it at work?"""
        return self not in {AnswerKind.TRANSIENT, AnswerKind.BLOCKED}


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
class Past:
    """An attempt that came to its end at `at`: a PUT to a location, or a GET (`polled`) of what a 202 promised."""

    url: str
    at: datetime
    kind: AnswerKind
    status_code: int | None = None
    retry_after: float | None = None
    polled: bool = False


@dataclass(frozen=True)
class Wait:
    """A stay in the replay queue: until when, and how often the call was replayed in vain so far."""

    give_up_at: datetime
    replays: int


@dataclass(frozen=True)
class Round:
    """A call's attempts since it last fell due, oldest first; `wait` is None unless they are a replay.

    `window` is the replay window in seconds: how long a failed call is kept, and the longest that a 202 is believed.
    """

    began: datetime
    locations: Sequence[Location]
    past: Sequence[Past]
    window: float
    wait: Wait | None = None

    @property
    def policy(self) -> Policy:
        """A replay asks each location once: it comes again. A service that said it is at work has more patience."""
        once = self.wait is not None and not any(each.kind is AnswerKind.UNDER_WAY for each in self.past)
        return Policy(attempts=1 if once else 3, replay_window=self.window)

    @property
    def end(self) -> datetime:
        """When patience ends: the end of the stay in the queue, or of the window that began with the first attempt."""
        return self.wait.give_up_at if self.wait else self.began + timedelta(seconds=self.window)


@dataclass(frozen=True)
class Retry:
    """Try again at `at`: ask `poll_url` by GET if there is one, else PUT to the location whose turn it is."""

    at: datetime
    poll_url: str = ""


@dataclass(frozen=True)
class Enqueue:
    """Into the replay queue, or back into it: replayed first at `at`, and at last at `until`."""

    at: datetime
    until: datetime


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
    if 300 <= status_code < 500 and not is_transient(status_code):
        return AnswerKind.REFUSED
    return AnswerKind.TRANSIENT


def tried(past: Sequence[Past]) -> list[ladder.Attempt]:
    """The failures that count, as the ladder wants to know them.

    A poll counts at the location whose 202 promised it. That the service is at work takes back the silences before,
    but not that what it promised was gone, or at a place that may not be called.
    """
    failures: list[tuple[ladder.Attempt, bool]] = []
    here = ""
    for each in past:
        here = here if each.polled else each.url
        if each.kind is AnswerKind.UNDER_WAY:
            failures = [(failure, lost) for failure, lost in failures if lost or failure.url != here]
        elif not each.kind.from_service or (each.kind is AnswerKind.NOTHING and each.polled):
            lost = each.polled and each.kind is not AnswerKind.TRANSIENT
            silent = each.kind is AnswerKind.TRANSIENT and is_transient(each.status_code)
            usable = lost or each.kind is not AnswerKind.BLOCKED
            status = each.status_code if silent else None
            failures.append((ladder.Attempt(here, each.at, status, each.retry_after, usable), lost))
    return [failure for failure, _ in failures]


def next_location(now_due: Round, now: datetime) -> Location | Enqueue | Settle:
    """Where the PUT of a call that is due goes; the end of its round when meanwhile no location is left for it."""
    move = _climb(now_due, now, _no_chance)
    if isinstance(move, ladder.Queue):
        return _enqueue(now_due, move, None, now, _no_chance)
    return _give_up(move) if isinstance(move, ladder.GiveUp) else move.location


def next_step(
    before: Round, fresh: Past, answer: Answer, *, poll_url: str, now: datetime, rng: Rng
) -> Retry | Enqueue | Settle:
    """What follows from an answer; `fresh` is its attempt, `before` the round without it, `poll_url` what was polled
    (empty after a PUT)."""
    if answer.kind is AnswerKind.DONE:
        return Settle(True, Outcome.DONE)
    if answer.kind is AnswerKind.NOTHING and not fresh.polled:
        return Settle(True, Outcome.NOTHING_TO_UNDO)
    if answer.kind is AnswerKind.REFUSED:
        return Settle(False, Outcome.REFUSED)
    after = replace(before, past=[*before.past, fresh])
    if answer.kind is AnswerKind.UNDER_WAY:
        return _poll(after, answer, poll_url, now, rng)
    move = _climb(after, now, rng)
    if isinstance(move, ladder.Queue):
        return _enqueue(after, move, answer.retry_after, now, rng)
    if isinstance(move, ladder.GiveUp):
        return _give_up(move)
    # What was promised at a place that is gone is asked for afresh, by the PUT, which may be repeated at any time.
    same_place = isinstance(move, ladder.Retry) and answer.kind is AnswerKind.TRANSIENT
    return Retry(move.at, poll_url if same_place else "")


def poll_location(url: str, location: str) -> str:
    """The absolute URL that a `Location` header names, relative to the URL that answered; empty if it is unusable."""
    try:
        target = urldefrag(urljoin(url, location.strip())).url
        usable = urlsplit(target).scheme in {"http", "https"} and bool(urlsplit(target).hostname)
    except ValueError:
        return ""
    return target if location.strip() and usable and len(target) <= MAX_URL else ""


def locations(given: str, static: str, registered: Sequence[str]) -> tuple[Location, ...]:
    """Where to call, in order: the URL that the task gave, the service's static fallback, and its live locations in
    the registry, each place once. Nothing without a URL that the task gave."""
    places = [(given, Rung.GIVEN), (static, Rung.STATIC)]
    places += [(url, Rung.REGISTRY) for url in registered[:MAX_REGISTRY_LOCATIONS]]
    found: dict[str, Location] = {}
    for place, rung in places if given else []:
        if place:
            url = place if rung is Rung.GIVEN else standing_in(given, place)
            found.setdefault(url, Location(url, rung))
    return tuple(found.values())


def _climb(now_due: Round, now: datetime, rng: Rng) -> ladder.Move:
    return ladder.next_move(
        now_due.policy,
        now_due.locations,
        tried(now_due.past),
        method="PUT",
        began=now_due.began,
        now=now,
        rng=rng,
    )


def _enqueue(after: Round, move: ladder.Queue, retry_after: float | None, now: datetime, rng: Rng) -> Enqueue | Settle:
    """Into the queue; back into it for what is left of its window; or, at the end of that, no more."""
    if after.wait is None:
        return Enqueue(move.at, move.until)
    if now >= after.wait.give_up_at:
        return Settle(False, Outcome.GAVE_UP)
    until = after.wait.give_up_at
    at = ladder.replay_at(after.policy, after.wait.replays + 1, now=now, until=until, rng=rng, retry_after=retry_after)
    return Enqueue(at, until)


def _give_up(move: ladder.GiveUp) -> Settle:
    return Settle(False, Outcome.BLOCKED if move.reason is ladder.Reason.FORBIDDEN else Outcome.GAVE_UP)


def _poll(after: Round, answer: Answer, poll_url: str, now: datetime, rng: Rng) -> Retry | Settle:
    """Ask again after a while that grows, and once more at the very end of the window."""
    if now >= after.end:
        return Settle(False, Outcome.STILL_UNDER_WAY)
    polls = sum(each.kind is AnswerKind.UNDER_WAY for each in after.past)
    grown = min(FIRST_POLL * POLL_GROWTH ** min(polls - 1, 20), LONGEST_POLL)
    jittered = grown / 2 + rng() * grown / 2  # so that many that began together do not come back together
    wait = max(jittered, min(answer.retry_after or 0.0, LONGEST_POLL_WAIT))
    return Retry(min(now + timedelta(seconds=wait), after.end), answer.location or poll_url)


def _no_chance() -> float:
    return 0.0
