"""The second pass of a test run: which tests it takes, and that nothing is left out in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from choreo_web.settings import BASE_DIR
from tests import settings
from tests.both_databases import uses_database

pytestmark = pytest.mark.slow

TESTS = """
import pytest
from django.db import connection

def test_rule(): pass

@pytest.mark.django_db
def test_for_one_alone():
    if connection.vendor == "sqlite": pytest.skip("only PostgreSQL")

@pytest.mark.django_db
def test_row(): assert connection.vendor == {wanted!r}

@pytest.mark.django_db
@pytest.mark.slow
def test_slow_row(): assert connection.vendor == "postgresql"
"""


def run(folder: Path, content: str, **environment: str) -> tuple[int, str]:
    """Run pytest on a file with the project's own plugin; the exit code and the end of the output."""
    (folder / "conftest.py").write_text("from tests.conftest import *")
    (folder / "test_sample.py").write_text(content)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", str(folder)]
    command += ["-c", str(BASE_DIR / "pyproject.toml"), "--rootdir", str(folder)]
    chosen_by_this_run = ("CHOREO_TEST_DATABASE", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in chosen_by_this_run}
    url = settings.GIVEN_DATABASE_URL
    given = {"DATABASE_URL": url} if url else {}
    done = subprocess.run(
        command, env=kept | given | environment, cwd=BASE_DIR, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout[-3000:] + done.stderr[-3000:]


def test_one_run_reports_both_databases(tmp_path: Path) -> None:
    code, said = run(tmp_path, TESTS.format(wanted="postgresql"))
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "test_sample.py::test_row [sqlite]" in said
    assert (
        "1 failed, 4 passed, 1 skipped" in said
    )  # each once on PostgreSQL, and test_row again on SQLite, where it fails


def test_one_pass_alone_may_be_asked_for(tmp_path: Path) -> None:
    code, said = run(
        tmp_path, TESTS.format(wanted="sqlite").replace("slow_row", "other"), CHOREO_TEST_DATABASE="sqlite"
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 2 passed, 1 skipped" in said


def test_a_second_pass_that_breaks_fails_the_run(tmp_path: Path) -> None:
    broken = "import os\nif os.environ.get('CHOREO_TEST_DATABASE') == 'sqlite': raise RuntimeError('broken')\n"
    code, said = run(tmp_path, broken + TESTS.format(wanted="postgresql"))
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "The pass on SQLite ended with code" in said
    assert "test_row" in said


@pytest.mark.django_db
def test_a_slow_test_runs_once(request: pytest.FixtureRequest) -> None:
    assert not uses_database(request.node)
