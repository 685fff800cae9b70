"""What is mutated, and by which tests it has to be noticed."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEAST = 90.0
"""Per cent of the mutants of each file that the tests must notice."""


@dataclass(frozen=True)
class Target:
    """A file of pure rules, and the tests that speak of it: those that fail soonest first."""

    module: str
    file: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where it stands."""
        return ROOT / self.file


TARGETS = (
    Target(
        "jobs.domain.states",
        "jobs/domain/states.py",
        ("tests/unit/test_states_exactly.py", "tests/unit/test_states.py"),
    ),
    Target(
        "jobs.domain.undo",
        "jobs/domain/undo.py",
        ("tests/unit/test_undo_exactly.py", "tests/unit/test_undo.py"),
    ),
    Target(
        "jobs.domain.callbacks",
        "jobs/domain/callbacks.py",
        ("tests/unit/test_callbacks_exactly.py", "tests/unit/test_callbacks.py"),
    ),
    Target(
        "choreo_client.ladder",
        "client/choreo_client/ladder.py",
        (
            "tests/client/test_ladder_exactly.py",
            "tests/client/test_client_ladder.py",
            "tests/client/test_client_ladder_walks.py",
        ),
    ),
)
