"""The protocol of cancel and revert, as a model in Promela, searched exhaustively by Spin (docs/model.md).

The model as it stands must have no error; with one mistake seeded into it, Spin must find one. A model that cannot be
built fails the test: without `spin` and `gcc` nothing would be proved.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("undo.pml")
MEGABYTES = 1000
"""What a search may use; it fails when that is not enough, as an incomplete search proves nothing."""

ONE_TASK = ("TASKS=1", "WORKERS=2")
TWO_TASKS = ("TASKS=2", "WORKERS=1")
BOTH = ("TASKS=2", "WORKERS=2")


@dataclass(frozen=True)
class Search:
    """A search of the state space: of every state for what is wrong in it, or for runs that go round in circles."""

    defines: tuple[str, ...]
    circles: bool = False
    optimise: str = "-O0"

    def bug(self, name: str) -> "Search":
        """The same search of the model with this mistake in it."""
        return Search((*self.defines, f"BUG_{name}"), self.circles)


SOUND = {
    "one task, two workers, any number of faults": Search(ONE_TASK),
    "two tasks, one worker, any number of faults": Search(TWO_TASKS, optimise="-O1"),
    "two tasks, two workers, two faults": Search((*BOTH, "BOUND=2"), optimise="-O1"),
    "one task, two workers: every run with three faults ends": Search((*ONE_TASK, "BOUND=3"), circles=True),
    "two tasks, two workers: every run with one fault ends": Search((*BOTH, "BOUND=1"), circles=True),
}

SEEDED = {
    "CALL_LEFT_OPEN": Search(ONE_TASK),
    "LAST_ATTEMPT_ONLY": Search(ONE_TASK),
    "LATE_AFTER_GIVING_UP": Search(ONE_TASK),
    "LATE_AFTER_HAND": Search(ONE_TASK),
    "LATE_IGNORED": Search(ONE_TASK),
    "LEASE_NEVER_ENDS": Search(ONE_TASK),
    "NEW_KEY_AT_RETRY": Search(ONE_TASK),
    "NEW_KEY_EACH_TIME": Search(ONE_TASK),
    "NOBODY_IS_CALLED": Search(ONE_TASK),
    "NO_LEASE": Search((*ONE_TASK, "BOUND=1"), circles=True),
    "NO_TOKEN_CHECK": Search(ONE_TASK),
    "NO_TOMBSTONE": Search(ONE_TASK),
    "ORDER_IGNORED": Search(TWO_TASKS),
    "OVERDUE_IS_A_RESULT": Search(ONE_TASK),
    "QUEUE_FORGOTTEN": Search(ONE_TASK),
    "RECORD_BEFORE_SEND": Search(ONE_TASK),
    "REVERTS_BEFORE_CANCELS": Search(TWO_TASKS),
    "SAME_KEY_FOR_LATE_WORK": Search(ONE_TASK),
    "UNGUARDED_CLOSE": Search(ONE_TASK),
    "UNGUARDED_DEADLINE": Search(ONE_TASK),
}

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.mark.parametrize("search", SOUND.values(), ids=SOUND.keys())
def test_the_protocol_has_no_error(search: Search, tmp_path: Path) -> None:
    report = run(search, tmp_path)
    print(found(r"(\d+ states), stored", report), found(r"([\d.]+)\s+total actual memory", report), "MB")
    assert errors(report) == 0, f"{report}\n{story(search, tmp_path)}"


@pytest.mark.parametrize("name", SEEDED)
def test_a_mistake_in_the_protocol_is_found(name: str, tmp_path: Path) -> None:
    report = run(SEEDED[name].bug(name), tmp_path)
    assert errors(report) == 1, report
    assert ("non-progress cycle" if SEEDED[name].circles else "assertion violated") in report


def test_every_mistake_that_the_model_knows_is_tried() -> None:
    assert set(re.findall(r"#if(?:n?def) BUG_(\w+)", MODEL.read_text())) == set(SEEDED)


def run(search: Search, folder: Path) -> str:
    """Build the search and let it run to its end; what it reports. A search that was cut short is a failure."""
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing, without which nothing is proved: apt-get install spin gcc libc6-dev")
    shutil.copy(MODEL, folder)
    kind = ["-DNP"] if search.circles else ["-DSAFETY"]
    done("spin", "-a", *defined(search), MODEL.name, folder=folder)
    options = ["-DNOFAIR", "-DCOLLAPSE", f"-DMEMLIM={MEGABYTES}"]  # as little memory as an exact search can do with
    done("gcc", "-w", search.optimise, *kind, *options, "-o", "pan", "pan.c", folder=folder)
    report = done("./pan", "-m1000000", *(["-l"] if search.circles else []), folder=folder)
    cut_short = [line for line in ("max search depth too small", "out of memory", "memory limit") if line in report]
    assert not cut_short, report
    assert errors(report) or "Search not completed" not in report, report
    return report


def done(*command: str, folder: Path) -> str:
    """What a command printed; it must work."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == 0 or command[0] == "./pan", output
    return output


def errors(report: str) -> int:
    """How many errors the search says that it found; it stops at the first."""
    return int(found(r"errors: (\d+)", report))


def found(pattern: str, report: str) -> str:
    """The first group of the pattern in the report, which must have it."""
    match = re.search(pattern, report)
    assert match, f"no {pattern} in: {report}"
    return match[1]


def story(search: Search, folder: Path) -> str:
    """The steps that led to an error, for a person."""
    steps = done("spin", *defined(search), "-t", "-p", MODEL.name, folder=folder).splitlines()
    return "\n".join(step for step in steps if "[" in step and "[else]" not in step and "[(1)]" not in step)


def defined(search: Search) -> list[str]:
    """What the model's preprocessor is told."""
    return [f"-D{name}" for name in search.defines]
