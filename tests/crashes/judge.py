"""What must hold when a story is over, however often Choreo died on the way."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.crashes.orders import Facts
from tests.crashes.receiver import Receiver
from tests.crashes.story import Story, path


class Kind(StrEnum):
    """What went wrong."""

    LOST_REVERT = "lost revert"
    DOUBLE_EFFECT = "double effect"
    LOST_CALL = "lost call for help"
    STUCK = "stuck"
    WRONG_RECORD = "wrong record"


@dataclass(frozen=True)
class Finding:
    """One thing that went wrong."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def judge(story: Story, facts: Facts, receiver: Receiver, *, deaths: int) -> list[Finding]:
    """Everything that does not hold. The receiver's own account comes first: it does not depend on Choreo's."""
    parts = (_effects(story, facts, receiver), _ends(story, facts), _calls_for_help(story, facts, receiver))
    return [finding for part in (*parts, _messages(facts, receiver, deaths)) for finding in part]


def _effects(story: Story, facts: Facts, receiver: Receiver) -> Iterator[Finding]:
    """Each thing was undone exactly once, and the record agrees with the service that did it."""
    for where in sorted(story.effects.keys() | receiver.effects.keys()):
        wanted, found = story.effects.get(where, 0), receiver.effects[where]
        if found < wanted:
            yield Finding(Kind.LOST_REVERT, f"{where} was never done")
        if found > wanted:
            yield Finding(Kind.DOUBLE_EFFECT, f"{where} was done {found} times instead of {wanted}")
    for name, status in facts.tasks.items():
        if (status == "reverted") != bool(receiver.effects[path(name)]):
            yield Finding(Kind.LOST_REVERT, f"{name} is on record as {status}, which its service does not bear out")


def _ends(story: Story, facts: Facts) -> Iterator[Finding]:
    """Everything came to the end that the contract names, and nothing is left open."""
    if facts.job != story.job_ends:
        yield Finding(Kind.STUCK, f"the job is {facts.job}, not {story.job_ends}")
    for name, wanted in story.ends.items():
        if facts.tasks.get(name) != wanted:
            yield Finding(Kind.STUCK, f"{name} is {facts.tasks.get(name)}, not {wanted}")
    if facts.open_calls:
        yield Finding(Kind.STUCK, f"calls are still open: {facts.open_calls}")
    if facts.steps_left:
        yield Finding(Kind.STUCK, "an escalation still waits for its next step")
    if facts.repaired:
        yield Finding(Kind.STUCK, f"the auditor had to take up {facts.repaired} jobs that stood still")
    moves = sorted(name for name, status in story.ends.items() if status == "reverted")
    if facts.moves_to_reverted != moves:
        yield Finding(Kind.WRONG_RECORD, f"the history tells of reverts of {facts.moves_to_reverted}, not {moves}")


def _calls_for_help(story: Story, facts: Facts, receiver: Receiver) -> Iterator[Finding]:
    """Every cause is in the one incident, and everybody who must hear of it did, by the receiver's account."""
    if Counter(facts.causes) != Counter(story.causes):
        yield Finding(Kind.LOST_CALL, f"the causes are {facts.causes}, not {list(story.causes)}")
    if facts.without_receipt:
        yield Finding(Kind.LOST_CALL, f"no incident knows of {facts.without_receipt}")
    if facts.incidents != [story.incident_ends]:
        yield Finding(Kind.STUCK, f"the incidents are {facts.incidents}, not {[story.incident_ends]}")
    for who, phrase in story.told:
        if not any(heard.address == who and phrase in heard.text for heard in receiver.heard):
            yield Finding(Kind.LOST_CALL, f"{who} never heard {phrase!r}")


def _messages(facts: Facts, receiver: Receiver, deaths: int) -> Iterator[Finding]:
    """What is on record as sent was heard, what was heard is on record, and it came again only after a crash."""
    heard = Counter((message.address, message.message_id) for message in receiver.heard)
    record = {(message.address, message.message_id): message.status for message in facts.messages}
    for key, status in record.items():
        if status in {"pending", "sending"}:
            yield Finding(Kind.STUCK, f"a message to {key[0]} is still {status}")
        if status == "failed" or (status == "sent" and not heard[key]):
            yield Finding(Kind.LOST_CALL, f"a message to {key[0]} is {status}, and was not heard")
    for key, times in heard.items():
        if key not in record:
            yield Finding(Kind.WRONG_RECORD, f"{key[0]} heard what is not on record: {key[1]}")
        if times > 1 + deaths:
            yield Finding(Kind.DOUBLE_EFFECT, f"{key[0]} heard the same {times} times after {deaths} crashes")
