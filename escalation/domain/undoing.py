"""What an alert says of a task that is not undone: what was tried, since when, why in vain, and for how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from jobs.domain.callbacks import Outcome
from jobs.domain.states import CallAction, CallStatus

When = Callable[[datetime], str]
"""How a moment is told to somebody."""

_OUTCOMES = {
    Outcome.REFUSED: "the service refused",
    Outcome.BLOCKED: "Choreo may not call that address",
    Outcome.NO_URL: "it gave no URL for that",
    Outcome.GAVE_UP: "Choreo gave up",
    Outcome.STILL_UNDER_WAY: "the service never came to an end with it",
}
_NAMED = 3
_NEAR = timedelta(hours=20)
_THIS_WEEK = timedelta(days=6)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Undoing:
    """The call to undo a task. `answer` is the last one in the service's words, cleaned, or empty; `tries` counts the
    times that it was asked, not those that it was asked how far it is."""

    action: CallAction
    status: CallStatus
    tries: int
    since: datetime | None
    answer: str = ""
    outcome: str = ""
    queued_at: datetime | None = None
    settled_at: datetime | None = None
    next_at: datetime | None = None
    give_up_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """In the replay queue?"""
        return self.status is CallStatus.QUEUED

    @property
    def queued_for(self) -> timedelta | None:
        """How long it was in the queue, once it is over; None if it never was."""
        return self.settled_at - self.queued_at if self.settled_at and self.queued_at else None


@dataclass(frozen=True)
class Waiting:
    """Calls of a job in the replay queue: of which services, and when the first of them is given up."""

    services: Sequence[str]
    actions: Sequence[CallAction]
    until: datetime
    all_until: bool


def when_in(zone: tzinfo, now: datetime) -> When:
    """Moments as the clock on the reader's wall shows them: the time alone when no other day can be meant, else with
    the day of the week, else with the date."""

    def told(at: datetime) -> str:
        local, away = at.astimezone(zone), abs(at - now)
        if away <= _NEAR:
            return f"{local:%H:%M %Z}"
        day = _DAYS[local.weekday()] if away <= _THIS_WEEK else f"{local:%Y-%m-%d}"
        return f"{day} {local:%H:%M %Z}"

    return told


def sentences(undoing: Undoing, when: When) -> list[str]:
    """What was tried and what came of it; nothing while it is only about to be tried."""
    if not undoing.tries:
        return [_OUTCOMES[Outcome.NO_URL]] if undoing.outcome == Outcome.NO_URL else []
    since = f"asked to {undoing.action} {_times(undoing.tries)} {when(undoing.since)}" if undoing.since else ""
    said = f"the last answer: {undoing.answer}" if undoing.answer else "no answer"
    return [f"{since}; {said}" if since else said, *_queue(undoing, when)]


def reason(undoing: Undoing | None) -> str:
    """Why it is not undone, in a few words; empty when nobody knows."""
    if undoing is None:
        return "no revert URL"
    if undoing.outcome == Outcome.GAVE_UP and undoing.queued_for is not None:
        return f"gave up after {span(undoing.queued_for)}"
    return _OUTCOMES.get(Outcome(undoing.outcome), "") if undoing.outcome in set(Outcome) else ""


def waiting(calls: Waiting, when: When) -> str:
    """`1 revert waits for pay to come back, replayed until 04:12 UTC`."""
    until = when(calls.until) + ("" if calls.all_until else " or later")
    return f"{_what_waits(calls)} for {listed(calls.services)} to come back, replayed until {until}"


def waiting_in_short(calls: Waiting, when: When) -> str:
    """The same for a text message: `1 revert waits for pay till 04:12 UTC`."""
    return f"{_what_waits(calls)} for {listed(calls.services, most=1)} till {when(calls.until)}"


def listed(names: Sequence[str], most: int = _NAMED) -> str:
    """`pay`, `pay and tax`, `pay, tax, ship and 2 more`: each name once."""
    once = list(dict.fromkeys(names))
    shown, more = once[:most], len(once) - most
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def span(length: timedelta) -> str:
    """A length of time in its largest unit: `24 h`, `40 min`, `3 d`."""
    seconds = round(length.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= (2 * size if unit == "d" else size):
            return f"{round(seconds / size)} {unit}"
    return f"{seconds} s"


def _what_waits(calls: Waiting) -> str:
    kinds, count = set(calls.actions), len(calls.actions)
    kind = next(iter(kinds)) if len(kinds) == 1 else "call"
    return f"{count} {kind} waits" if count == 1 else f"{count} {kind}s wait"


def _queue(undoing: Undoing, when: When) -> list[str]:
    if undoing.waits and undoing.queued_at and undoing.give_up_at and undoing.next_at:
        until = f"next try {when(undoing.next_at)}, the last one {when(undoing.give_up_at)}"
        return [f"in the replay queue since {when(undoing.queued_at)}; {until}"]
    ended = _OUTCOMES.get(Outcome(undoing.outcome)) if undoing.outcome in set(Outcome) else None
    if ended and undoing.queued_for is not None:
        return [f"waited {span(undoing.queued_for)} in the replay queue, then {ended}"]
    return [ended] if ended else []


def _times(count: int) -> str:
    return {1: "once,", 2: "twice since"}.get(count, f"{count} times since")
