"""The README's checkout with curl alone: it works as it is printed."""

from pathlib import Path

import pytest

from choreo_web.settings import BASE_DIR
from tests.acceptance.choreo import FIRST_JOB, first_job, installation

pytestmark = pytest.mark.slow


def test_the_readme_prints_the_script() -> None:
    steps = FIRST_JOB.read_text().split("set -euo pipefail\n")[1].strip()
    assert steps in (BASE_DIR / "README.md").read_text()


def test_a_checkout_with_curl_alone_completes(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        choreo.up()
        progress = first_job(choreo)
        assert progress["jobStatus"] == "completed"
        assert [task["taskStatus"] for task in progress["tasks"]] == ["completed"]
