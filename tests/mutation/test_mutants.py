"""Mutation testing is itself tested: that the mistakes are made, and that a mistake which nobody notices is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants_of
from tests.mutation.targets import ROOT, TARGETS, Target

SOURCE = '''"""A table."""

from enum import StrEnum


class Fruit(StrEnum):
    """What grows."""

    APPLE = "apple"


RIPE = frozenset({Fruit.APPLE, "pear"})


def is_cheap(price: int | None, *, most: int = 3) -> bool:
    """Is it?"""
    if price is None:
        return False
    return price < most and price >= 0
'''


def changes(operator: str) -> set[str]:
    """The lines that this operator makes of the source."""
    diffs = [mutant.diff for mutant in mutants_of(SOURCE) if mutant.operator.startswith(operator)]
    return {line[1:].strip() for diff in diffs for line in diff.splitlines() if line.startswith("+")}


def test_tables_lose_members_and_enums_change_their_values() -> None:
    assert changes("DropMember") == {"RIPE = frozenset({Fruit.APPLE})", "RIPE = frozenset({'pear'})"}
    assert changes("OtherValue") == {"APPLE = 'another value'"}


def test_statements_are_left_out() -> None:
    assert changes("DropStatement") == {"pass"}
    assert len([mutant for mutant in mutants_of(SOURCE) if mutant.operator == "DropStatement"]) == 2


def test_comparisons_numbers_and_conditions_change() -> None:
    assert "return price <= most and price >= 0" in changes("ReplaceComparisonOperator")
    assert "return price < most or price >= 0" in changes("ReplaceAndWithOr")
    assert "if price is not None:" in changes("ReplaceComparisonOperator")
    assert "return price < most and price >= 1" in changes("NumberReplacer")


def test_annotations_signatures_and_docstrings_are_left_alone() -> None:
    lines = {line for mutant in mutants_of(SOURCE) for line in mutant.diff.splitlines() if line.startswith("+")}
    assert not any("price: int" in line and "int | None, *," not in line for line in lines)
    assert not any("is_cheap" in line and "-> bool" not in line for line in lines)
    assert not any("Is it" in line or "grows" in line for line in lines)


def test_a_question_that_is_the_same_is_not_asked() -> None:
    assert "if price == None:" not in changes("ReplaceComparisonOperator")


def test_every_mutant_is_there_once() -> None:
    codes = [mutant.code for mutant in mutants_of(SOURCE)]
    assert len(codes) == len(set(codes))
    assert SOURCE not in codes


TRIAL = """
import sys
from pathlib import Path
from tests.mutation.mutants import Mutant
from tests.mutation.targets import Target
from tests.mutation import trials
trials.ROOT, trials.CPU_SECONDS = Path(sys.argv[1]), 3
sys.path.insert(0, sys.argv[1])
class There(Target):
    path = property(lambda self: trials.ROOT / self.file)
target = There("rules_under_trial", "rules_under_trial.py", ("test_rules_under_trial.py",))
trials.check(target)
for code in ("def double(n): return n * 3", "def double(n): return n + n", "1 / 0", "while True: pass"):
    print(*(verdict for _, verdict in trials.try_all(target, [Mutant("", 1, code, "")], 1)))
"""


@pytest.mark.slow
def test_a_mistake_is_noticed_or_not_and_what_cannot_begin_or_end_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "rules_under_trial.py").write_text("def double(n): return 2 * n")
    (tmp_path / "test_rules_under_trial.py").write_text(
        "from rules_under_trial import double\n\ndef test_it():\n    assert double(2) == 4\n"
    )
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", TRIAL, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True)
    assert result.stdout.split()[-4:] == ["killed", "survived", "stillborn", "killed"], result.stdout + result.stderr


def test_an_unknown_target_is_an_error() -> None:
    command = [sys.executable, "-m", "tests.mutation", "no-such-file"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 2


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.file)
def test_what_is_mutated_and_what_has_to_notice_it_is_there(target: Target) -> None:
    assert target.path.is_file()
    assert all((ROOT / path).is_file() for path in target.tests)
