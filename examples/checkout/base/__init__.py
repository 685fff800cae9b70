"""What cart, tax, pay and ship have in common; nothing here knows who reacts to whom."""

from examples.checkout.base.events import Event
from examples.checkout.base.ids import canonical_uuid, derived_id
from examples.checkout.base.problems import (
    BadRequest,
    CannotUndo,
    NotFound,
    Overloaded,
)
from examples.checkout.base.process import run
from examples.checkout.base.service import Service
from examples.checkout.base.settings import Settings
from examples.checkout.base.store import EFFECTIVE, Answer, State, Task

__all__ = [
    "EFFECTIVE",
    "Answer",
    "BadRequest",
    "CannotUndo",
    "Event",
    "NotFound",
    "Overloaded",
    "Service",
    "Settings",
    "State",
    "Task",
    "canonical_uuid",
    "derived_id",
    "run",
]
