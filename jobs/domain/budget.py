"""The compounding-delay budget (pattern: "Watch compounding delays"): can the steps fit in the job's max TTL?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PlanStep:
    """One step of a plan; seconds throughout. `caused_by` are the positions of the steps that it waits for."""

    name: str
    attempts: int = 1
    timeout: int = 0
    delay: int = 0
    backoff: str = "constant"
    undo: int = 0
    caused_by: tuple[int, ...] = ()

    @property
    def worst_case(self) -> int:
        """All attempts time out, with the delays between them, and then it is undone."""
        gaps = self.attempts - 1
        waits = self.delay * ((1 << gaps) - 1) if self.backoff == "exponential" else self.delay * gaps
        return self.attempts * self.timeout + waits + self.undo


@dataclass(frozen=True)
class Budget:
    """A job's bound in seconds beside the worst case of its longest chain of steps."""

    max_ttl: int
    worst_case_seconds: int
    steps: tuple[PlanStep, ...]

    @property
    def fits(self) -> bool:
        """True when even the worst case ends before the deadline."""
        return self.worst_case_seconds <= self.max_ttl


def budget(max_ttl: int, steps: Sequence[PlanStep]) -> Budget:
    """Steps in a chain add up; of branches the longest counts. Three steps of three times 10 s make 90."""
    ends: list[int] = []
    for position, step in enumerate(steps):
        start = max((ends[cause] for cause in step.caused_by if cause < position), default=0)
        ends.append(start + step.worst_case)
    return Budget(max_ttl, max(ends, default=0), tuple(steps))


def plan_chain(plan: Sequence[Mapping[str, Any]]) -> list[PlanStep]:
    """A `jobPlan` as steps, each after the one before it."""
    return [
        PlanStep(
            name=item["taskName"],
            attempts=item.get("attempts") or 1,
            timeout=item.get("timeout") or 0,
            delay=item.get("delay") or 0,
            backoff=item.get("backoff") or "constant",
            undo=item.get("undo") or 0,
            caused_by=(position - 1,) if position else (),
        )
        for position, item in enumerate(plan)
    ]


def with_observed(
    planned: Sequence[PlanStep], observed: Sequence[tuple[str, str | None, int | None]]
) -> list[PlanStep]:
    """The plan corrected by the tasks that exist: `observed` holds (name, name of its cause, max TTL), in start order.

    A step whose task named its cause hangs from that cause instead of from the step before it; a task that no plan
    foresaw is added with its own max TTL as its worst case.
    """
    names = [step.name for step in planned]
    steps = list(planned)
    for name, cause, max_ttl in observed:
        after = (names.index(cause),) if cause in names else ()
        if name not in names:
            names.append(name)
            steps.append(PlanStep(name=name, timeout=max_ttl or 0, caused_by=after))
        elif after and after[0] < names.index(name):
            position = names.index(name)
            steps[position] = _hung_from(steps[position], after)
    return steps


def _hung_from(step: PlanStep, after: tuple[int, ...]) -> PlanStep:
    return PlanStep(step.name, step.attempts, step.timeout, step.delay, step.backoff, step.undo, after)
