"""Schemathesis, with every check and every phase, finds nothing on the API."""

import subprocess
import sys
from pathlib import Path

import pytest

from choreo_web.settings import BASE_DIR
from tests.acceptance.choreo import installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        choreo.up()
        choreo.manage("load_vocabulary", str(BASE_DIR / "examples" / "checkout" / "vocabulary.json"))
        token = choreo.manage("issue_token", "shop", "--scope", "vocabulary")
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={BASE_DIR / 'schemathesis.toml'}",
            "run",
            f"{choreo.url}/api/v1/openapi.json",
            "--checks=all",
            "--phases=examples,coverage,fuzzing,stateful",
            "--max-examples=20",
            "--request-timeout=20",
            f"--header=Authorization: Bearer {token}",
        ]
        run = subprocess.run(
            command, cwd=tmp_path, env=choreo.environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
        assert "generated" in run.stdout
