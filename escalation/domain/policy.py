"""A policy as it was frozen when an incident opened, and which of its steps are due."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo

from escalation.domain.delivery import Channel


@dataclass(frozen=True)
class Person:
    """A contact with the addresses that it had; `id` is that of the row, which may be gone by now."""

    id: int
    name: str
    email: str = ""
    phone: str = ""
    time_zone: str = "UTC"

    @property
    def addresses(self) -> list[tuple[Channel, str]]:
        """Every way to reach them."""
        ways = [(Channel.EMAIL, self.email), (Channel.SMS, self.phone)]
        return [(channel, address) for channel, address in ways if address]

    @property
    def zone(self) -> tzinfo:
        """The zone that times are told them in; UTC where theirs is not known here."""
        try:
            return ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            return UTC


@dataclass(frozen=True)
class Step:
    """These people, `wait_minutes` after the step before."""

    wait_minutes: int
    people: tuple[Person, ...]


@dataclass(frozen=True)
class Due:
    """What to call now: the people of all steps that are due, each one once, and when to come back."""

    people: tuple[Person, ...]
    step: int
    next_at: datetime | None


@dataclass(frozen=True)
class Plan:
    """The whole frozen policy. A step in which nobody can be reached is not in it: nothing waits for nobody."""

    name: str
    repeats: int
    repeat_minutes: int
    steps: tuple[Step, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        steps = tuple(Step(s["wait_minutes"], tuple(Person(**p) for p in s["people"])) for s in data["steps"])
        return cls(data["name"], data["repeats"], data["repeat_minutes"], steps)

    def to_json(self) -> dict[str, Any]:
        """As it is stored with the incident."""
        return asdict(self)

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody in it, once."""
        return unique(person for step in self.steps for person in step.people)

    def due(self, step: int, due_at: datetime, now: datetime) -> Due:
        """What to call at `now`, when `step` steps were called before and the next one fell due at `due_at`.

        Steps that fell due while nobody looked are called together, so that a person in two of them gets one message;
        but never beyond the end of a round, and the wait for the next one counts from `now`: after an outage there is
        still someone left to call.
        """
        size = len(self.steps)
        called, at = step, due_at
        while called < size * (self.repeats + 1) and at <= now:
            called += 1
            if called % size == 0:
                break
            at += timedelta(minutes=self.steps[called % size].wait_minutes)
        people = unique(person for index in range(step, called) for person in self.steps[index % size].people)
        return Due(people, called, self._next_at(called, now))

    def _next_at(self, called: int, now: datetime) -> datetime | None:
        size = len(self.steps)
        if called >= size * (self.repeats + 1):
            return None
        wait = self.repeat_minutes if called % size == 0 else self.steps[called % size].wait_minutes
        return now + timedelta(minutes=wait)


def unique(people: Iterable[Person]) -> tuple[Person, ...]:
    """Each person once, in the order of their first appearance."""
    return tuple({person.id: person for person in people}.values())
