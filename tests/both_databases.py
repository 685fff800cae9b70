"""Plain `pytest` runs on PostgreSQL, and the tests that use the database run once more on SQLite.

The second pass is a pytest of its own, because the database is chosen before Django reads its settings; it runs beside
the first one. What it reports is told here as if it had run here, so that one summary and one exit code cover both.
`CHOREO_TEST_DATABASE=postgresql` or `=sqlite` runs one pass alone. Why so: docs/decisions/test-databases.md.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

import pytest

from tests.servers import end_with_parent, stop

_ONE_IS_ENOUGH = ("browser", "slow", "peer", "proof")
_ENDED_IN_GOOD_ORDER = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only for the second pass: where it leaves its reports."""
    parser.addoption("--reports-for-the-first-pass", type=Path, default=None, help="Used by the second pass alone.")


def pytest_configure(config: pytest.Config) -> None:
    """Choose what this process is: the first pass of two, the second, or the only one."""
    if reports := config.getoption("--reports-for-the-first-pass"):
        config.pluginmanager.register(SecondPass(config, reports.open("w", buffering=1)))
    elif "CHOREO_TEST_DATABASE" not in os.environ and not config.option.collectonly:
        config.pluginmanager.register(FirstPass(config))


def uses_database(item: pytest.Item) -> bool:
    """True for a test that would behave differently on another database."""
    fixtures = getattr(item, "fixturenames", ())
    marked = item.get_closest_marker("django_db") is not None
    one_is_enough = any(item.get_closest_marker(name) for name in _ONE_IS_ENOUGH)
    return (marked or "db" in fixtures or "transactional_db" in fixtures) and not one_is_enough


class SecondPass:
    """The pass on SQLite: keeps the tests that use the database, and writes a report of each, one JSON a line."""

    def __init__(self, config: pytest.Config, reports: TextIO) -> None:
        self.config = config
        self.reports = reports

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if uses_database(item)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.reports.write(json.dumps(data) + "\n")


class FirstPass:
    """Starts the second pass once it is known what to run, and takes in its reports after the tests of this one."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.expected: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, bool, bool]:
        self.expected = {item.nodeid for item in session.items if uses_database(item)}
        if not self.expected or session.testsfailed:
            return (yield)
        session.testscollected += len(self.expected)  # so that the progress ends at 100 %
        with tempfile.TemporaryDirectory(prefix="choreo-second-pass-") as name:
            folder = Path(name)
            process = self._start(folder)
            try:
                ran = yield
                code = process.wait()
            finally:
                stop(process)
            self._take_in(folder, code)
        return ran

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", *self.config.invocation_params.args]
        command.append(f"--reports-for-the-first-pass={folder / 'reports'}")
        if self.config.pluginmanager.hasplugin("cacheprovider"):
            command += ["-o", f"cache_dir={folder / 'cache'}"]
        if (seed := self.config.getoption("randomly_seed", default=None)) is not None:
            command.append(f"--randomly-seed={seed}")
        with (folder / "output").open("wb") as output:
            return subprocess.Popen(
                command,
                env=os.environ | {"CHOREO_TEST_DATABASE": "sqlite"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent(),
            )

    def _take_in(self, folder: Path, code: int) -> None:
        """Tell every report here. A second pass that broke, or left out a test in silence, is itself a failure."""
        path = folder / "reports"
        told = set()
        for line in path.read_text().splitlines() if path.exists() else []:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            if isinstance(report.longrepr, list):
                report.longrepr = tuple(report.longrepr)  # of a skipped test; JSON has no tuples
            told.add(report.nodeid)
            report.nodeid += " [sqlite]"
            self.config.hook.pytest_runtest_logreport(report=report)
        stopped_early = self.config.getvalue("maxfail") and code == pytest.ExitCode.TESTS_FAILED
        if code not in _ENDED_IN_GOOD_ORDER or (self.expected - told and not stopped_early):
            missing = ", ".join(sorted(self.expected - told)[:5]) or "nothing"
            output = (folder / "output").read_text(errors="replace")
            self._fail(f"The pass on SQLite ended with code {code}; it did not run: {missing}\n{output}")

    def _fail(self, why: str) -> None:
        place = ("tests/both_databases.py", 0, "the pass on SQLite")
        report = pytest.TestReport("the pass on SQLite", place, {}, "failed", why, "call")
        self.config.hook.pytest_runtest_logreport(report=report)
