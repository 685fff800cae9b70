"""The stories that are played, as data: what the services did, how they answer, and how each story has to end.

All of them are about one job of four tasks that outlives its max TTL: tax, which caused pay and notify; pay, which
caused ship; notify is still at work. Every one changed state, so every one is to be undone. All ends are the
contract's: "What the server sends to services" and "Job".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

EPOCH = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
"""When every story begins."""
MAX_TTL = 60
JOB_ID = uuid5(NAMESPACE_URL, "https://choreo.example/crashes")
JOB_REF = f"checkout J{JOB_ID.hex[:4]}"
"""What every message calls it."""
OWNER = "cart"
CAUSED_BY = {"tax": "", "pay": "tax", "ship": "pay", "notify": "tax"}
STILL_WORKING = "notify"

ANN_MAIL, ANN_PHONE, BOB_PHONE = "ann@example.com", "+15550100001", "+15550100002"
BOB_WAITS = 5
"""Minutes after Ann until Bob is called, who is the policy's second and last step."""

NOT_UNDONE = "pay (pay)"
"""How a message names the task and the service that are still not undone, in a mail's subject as in a text message."""


PROBE, OUTCOME = "/pay/probe", "/ship/outcome"
"""Where pay says whether it works, and where ship says how far it is."""


def task_id(name: str) -> UUID:
    """The same in every run."""
    return uuid5(JOB_ID, name)


def path(name: str, action: str = "revert") -> str:
    """Where the receiver is asked to undo a task."""
    return f"/{name}/{action}"


@dataclass(frozen=True)
class Story:
    """`pay_answers` are given to the requests to revert pay, one each, the last one to all that follow; everything
    else is answered 200. `told` are who must have heard what. With `comes_back` pay can be probed, and answers so as
    long as it fails; and ship answers 202 first, and tells at another place when it is done."""

    name: str
    pay_answers: tuple[int, ...]
    job_ends: str
    pay_ends: str
    causes: tuple[str, ...]
    incident_ends: str
    told: tuple[tuple[str, str], ...]
    comes_back: bool = False

    @property
    def ends(self) -> dict[str, str]:
        """How each task has to end."""
        return dict.fromkeys(CAUSED_BY, "reverted") | {"pay": self.pay_ends}

    @property
    def effects(self) -> dict[str, int]:
        """How often each thing has to be undone at the services: once, and what was refused not at all."""
        reverts = {path(name): int(status == "reverted") for name, status in self.ends.items()}
        return reverts | {path(STILL_WORKING, "cancel"): 1}


def _undone(name: str, pay_answers: tuple[int, ...], *, comes_back: bool = False) -> Story:
    # Of the max TTL, or only that it is over: what was not sent in time and is no longer true is withdrawn.
    told = ((ANN_MAIL, JOB_REF), (ANN_PHONE, JOB_REF))
    return Story(name, pay_answers, "cancelled", "reverted", ("jobMaxTTL",), "resolved", told, comes_back)


PLAIN = _undone("plain", (200,))
"""Every revert works at once."""

FAILS_TWICE = _undone("fails-twice", (503, 503, 200))
"""One revert fails twice and then works: all is undone, and the call for help resolves itself."""

FAILS_LONG = _undone("fails-long", (503,) * 4 + (200,))
"""It fails for longer than it is retried in place, so it waits in the replay queue, and is tried now and then."""

COMES_BACK = _undone("comes-back", (503,) * 4 + (200,), comes_back=True)
"""The same, and a probe finds out that the service is back; and another revert is under way for a while."""

REFUSED = Story(
    "refused",
    (503, 409),
    "revertFailed",
    "revertFailed",
    ("jobMaxTTL", "revertFailed"),
    "open",
    tuple((who, NOT_UNDONE) for who in (ANN_MAIL, ANN_PHONE, BOB_PHONE)),
)
"""One revert is refused for good: a human has to hear of it, and nobody answers, so that Bob is called after Ann."""

STORIES = {story.name: story for story in (PLAIN, FAILS_TWICE, FAILS_LONG, COMES_BACK, REFUSED)}
