"""What is said between the test, the fork server and its children: one JSON object a line."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Side(StrEnum):
    """On which side of a point the process dies."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Kill:
    """`kill -9` before or after the point of this number, counted from 1."""

    number: int
    side: Side

    def __str__(self) -> str:
        return f"killed {self.side} point {self.number}"


@dataclass(frozen=True)
class Order:
    """One life of Choreo. `fresh`: on an empty database; else it goes on with what is there, `at` seconds after the
    story began. `fault` names what is broken on purpose (see `faults`)."""

    story: str
    receiver: str
    fresh: bool = True
    at: float = 0.0
    kill: Kill | None = None
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the pipe."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Order":
        """The same again."""
        kill = given["kill"]
        return cls(**given | {"kill": Kill(kill["number"], Side(kill["side"])) if kill else None})


@dataclass(frozen=True)
class Message:
    """One notification as Choreo has it on record."""

    channel: str
    address: str
    status: str
    message_id: str
    text: str


@dataclass(frozen=True)
class Facts:
    """What the database says when a life is over."""

    job: str
    tasks: dict[str, str]
    open_calls: list[str]
    causes: list[str]
    without_receipt: list[str]
    incidents: list[str]
    steps_left: int
    messages: list[Message]
    moves_to_reverted: list[str]
    repaired: int
    refused: list[str]

    def to_json(self) -> dict[str, Any]:
        """For the pipe."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Facts":
        """Out of the pipe."""
        return cls(**given | {"messages": [Message(**message) for message in given["messages"]]})


@dataclass(frozen=True)
class Life:
    """How one life went: its points in order, when it last was seen (seconds into the story), and what was left.

    `facts` is None for a life that was ended by a kill.
    """

    points: list[str]
    at: float
    facts: Facts | None
