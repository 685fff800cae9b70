"""Tries mutants: each in a fork of this process, where the module is the mutant and its tests run until one fails.

A fork costs no start of Python, and a mutant lives in memory alone: no file of the checkout is touched.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from types import CodeType, ModuleType

import hypothesis
import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.targets import ROOT, Target

CPU_SECONDS = 60
"""What a mutant may use up; one that needs more runs for ever, and was noticed."""
WALL_SECONDS = 600
MEMORY_BYTES = 4 * 2**30
STILLBORN = 100

EXAMPLES = hypothesis.settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # that one fails is enough, not how simply
    suppress_health_check=list(hypothesis.HealthCheck),
)
PYTEST = ["-x", "-q", "-c", os.devnull, f"--rootdir={ROOT}", "--noconftest", "--import-mode=importlib"]
PYTEST += ["-p", "no:cacheprovider", "-o", "addopts=", "-W", "ignore"]


class Verdict(StrEnum):
    """What became of a mutant. The stillborn cannot even be imported: they prove nothing, and do not count."""

    KILLED = "killed"
    SURVIVED = "survived"
    STILLBORN = "stillborn"


class BrokenRun(Exception):
    """The tests say nothing about mutants: they fail without one, or do not run at all."""


def try_all(target: Target, mutants: Iterable[Mutant], workers: int) -> Iterator[tuple[Mutant, Verdict]]:
    """The verdict on each mutant, in the order in which they come to their end. Raises BrokenRun."""
    running: dict[int, Mutant] = {}
    for mutant in mutants:
        if len(running) >= workers:
            yield _wait(running)
        running[_start(target, mutant.code)] = mutant
    while running:
        yield _wait(running)


def check(target: Target) -> None:
    """The tests of the target must pass as it is. Raises BrokenRun."""
    pid = _start(target, target.path.read_text(), quiet=False)
    if (code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) != 0:
        raise BrokenRun(f"Without a mutation the tests of {target.file} end with {code}.")


def _wait(running: dict[int, Mutant]) -> tuple[Mutant, Verdict]:
    pid, status = os.wait()
    return running.pop(pid), _verdict(os.waitstatus_to_exitcode(status))


def _verdict(code: int) -> Verdict:
    if code in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise BrokenRun(f"pytest could not run the tests: {pytest.ExitCode(code)!r}.")
    if code == STILLBORN:
        return Verdict.STILLBORN
    return Verdict.SURVIVED if code == 0 else Verdict.KILLED  # a signal ended what ran for ever


def _start(target: Target, code: str, *, quiet: bool = True) -> int:
    """Fork; the child never returns."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    try:
        os._exit(_run(target, code, quiet))
    except BaseException:
        os._exit(pytest.ExitCode.INTERNAL_ERROR)


def _run(target: Target, code: str, quiet: bool) -> int:
    signal.alarm(WALL_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if quiet:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    sys.meta_path.insert(0, _Instead(target.module, str(target.path), code))
    try:
        importlib.import_module(target.module)
    except Exception:
        return STILLBORN
    hypothesis.settings.register_profile("mutation", EXAMPLES)
    hypothesis.settings.load_profile("mutation")
    return int(pytest.main([*PYTEST, *(str(ROOT / path) for path in target.tests)]))


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives this source for one module, and leaves all others alone."""

    def __init__(self, module: str, path: str, code: str) -> None:
        self.module, self.path, self.code = module, path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Only for the module that is mutated."""
        if fullname != self.module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=self.path)

    def get_source(self, fullname: str) -> str:
        """The mutant."""
        return self.code

    def get_code(self, fullname: str) -> CodeType:
        """The mutant, under the name of the file that it stands in for."""
        return compile(self.code, self.path, "exec")
