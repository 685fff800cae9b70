"""`python -m tests.mutation [WORD…]`: mutate the targets (whose file has one of these words in its name), and fail if
too many mutants of a file go unnoticed. Prints a table, and each survivor."""

import os
import sys
import time
from collections import Counter

os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no Django, no database, and the order as it stands

import httpx  # noqa: F401  loaded once here instead of in each fork: the client's package needs it

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.targets import LEAST, TARGETS, Target
from tests.mutation.trials import Verdict, check, try_all


def main(words: list[str]) -> int:
    """The exit code: 0 when each file's score is high enough."""
    targets = [target for target in TARGETS if not words or any(word in target.file for word in words)]
    if not targets:
        print(f"No target has one of {words} in its name.", file=sys.stderr)
        return 2
    return 0 if min([score(target) for target in targets]) >= LEAST else 1


def score(target: Target) -> float:
    """The per cent of its mutants that were noticed; prints those that were not."""
    began = time.monotonic()
    check(target)
    verdicts = list(try_all(target, mutants_of(target.path.read_text()), os.process_cpu_count() or 1))
    counts = Counter(verdict for _, verdict in verdicts)
    survivors = sorted((mutant for mutant, verdict in verdicts if verdict is Verdict.SURVIVED), key=_place)
    for mutant in survivors:
        print(f"\n{target.file}:{mutant.line}: {mutant.operator} survived\n{mutant.diff}")
    tried = counts[Verdict.KILLED] + counts[Verdict.SURVIVED]
    percent = 100 * counts[Verdict.KILLED] / tried
    seconds = time.monotonic() - began
    print(
        f"\n{target.file}: {percent:.1f} % of {tried} mutants noticed ({counts[Verdict.SURVIVED]} survived,"
        f" {counts[Verdict.STILLBORN]} stillborn and not counted), {seconds:.0f} s",
        flush=True,
    )
    return percent


def _place(mutant: Mutant) -> tuple[int, str]:
    return mutant.line, mutant.operator


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
