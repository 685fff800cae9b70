"""The README's checkout with curl alone: it works as it is printed."""

import json
import subprocess
from pathlib import Path

import pytest

from choreo_web.settings import BASE_DIR
from tests.acceptance.choreo import installation

pytestmark = pytest.mark.slow

SCRIPT = BASE_DIR / "docs" / "first-job.sh"


def test_the_readme_prints_the_script() -> None:
    steps = SCRIPT.read_text().split("set -euo pipefail\n")[1].strip()
    assert steps in (BASE_DIR / "README.md").read_text()


def test_a_checkout_with_curl_alone_completes(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        choreo.up()
        token = choreo.manage("issue_token", "shop", "--scope", "vocabulary").strip()
        environment = choreo.environment | {"CHOREO_URL": choreo.url, "CHOREO_TOKEN": token}
        run = subprocess.run(
            ["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        progress = json.loads(run.stdout[run.stdout.rindex('{"jobID"') :])
        assert (progress["jobStatus"], [task["taskStatus"] for task in progress["tasks"]]) == (
            "completed",
            ["completed"],
        )
