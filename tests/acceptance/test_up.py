"""`manage.py up`: one process that starts, stops, refuses and comes back."""

import signal
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.choreo import Choreo, eventually, installation, put
from tests.acceptance.undoer import Undoer

pytestmark = pytest.mark.slow

PRIVATE = {"CHOREO_ALLOW_PRIVATE_CALLBACKS": "true"}


def refused(choreo: Choreo, *options: str, **environment: str) -> str:
    """What `up` says when it cannot start: one line, and a code other than 0."""
    choreo.log.unlink(missing_ok=True)
    process = choreo.start("manage.py", "up", *options, **environment)
    assert process.wait(30) not in (0, -signal.SIGTERM)
    said = choreo.log.read_text()
    assert "Traceback" not in said
    return said


def test_it_starts_serves_and_stops_within_five_seconds(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        process = choreo.up()
        assert choreo.http.get("/healthz").json() == {"status": "ok"}
        assert choreo.http.get("/").headers["location"] == "/admin/"
        assert choreo.url in choreo.log.read_text()
        asked = time.monotonic()
        for _ in range(3):  # as a terminal and `uv run` both tell it of one Ctrl-C
            process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - asked < 5


def test_it_stops_in_time_while_a_service_does_not_answer(tmp_path: Path) -> None:
    with Undoer() as undoer, installation(tmp_path, **PRIVATE) as choreo:
        process = choreo.up()
        api = choreo.service("cart")
        job, task = uuid4(), uuid4()
        put(api, f"/jobs/{job}", {"jobName": "checkout"})
        done = {"taskName": "pay", "taskStatus": "completed", "taskRevertURL": f"{undoer.url}/slow/{task}"}
        put(api, f"/jobs/{job}/tasks/{task}", done)
        put(api, f"/jobs/{job}/cancellation", {})
        assert undoer.waiting.wait(20)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - asked < 5


def test_the_password_is_told_once(tmp_path: Path) -> None:
    with installation(tmp_path, CHOREO_ADMIN_PASSWORD="") as choreo:
        stop_in_good_order(choreo.up())
        assert "password" in choreo.log.read_text()
        choreo.log.unlink()
        stop_in_good_order(choreo.up())
        assert "password" not in choreo.log.read_text()


def test_it_says_in_a_line_why_it_cannot_start(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo, installation(tmp_path / "other") as other:
        other.folder.mkdir()
        choreo.up()
        assert f"Port {choreo.port} of 127.0.0.1 is taken" in refused(other, "--port", str(choreo.port))
        said = refused(other, "--port", str(other.port), CHOREO_DATA_DIR=choreo.environment["CHOREO_DATA_DIR"])
        assert "Another `up` runs with the data folder" in said
        assert "CHOREO_SWEEP_SECONDS must be a whole number" in refused(other, CHOREO_SWEEP_SECONDS="soon")
        nowhere = f"postgresql://127.0.0.1:{other.port}/nowhere"
        assert "The database does not answer" in refused(other, DATABASE_URL=nowhere)
        assert "a port is a number from 1 to 65535" in refused(other, "--port", "70000")


def test_a_part_that_dies_takes_the_process_with_it(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        sabotage = "import celery.beat as b; b.Scheduler.tick = lambda self, *_: 1 / 0; import runpy, sys;"
        sabotage += f"sys.argv = ['manage.py', 'up', '--port', '{choreo.port}'];"
        process = choreo.start("-c", sabotage + "runpy.run_path('manage.py', run_name='__main__')")
        assert process.wait(30) == 1
        assert "a part of it has died" in choreo.log.read_text()


def test_killed_at_any_moment_it_undoes_everything_once_or_calls_for_help(tmp_path: Path) -> None:
    """Jobs over their max TTL; `up` is killed before the deadline, while it undoes, and right after each start."""
    with Undoer() as undoer, installation(tmp_path, **PRIVATE) as choreo:
        process = choreo.up()
        api = choreo.service("cart")
        good = [_job(api, f"{undoer.url}/ok/{number}") for number in range(6)]
        bad = _job(api, f"{undoer.url}/no/1")
        slow = _job(api, f"{undoer.url}/slow/1")
        kill(process)
        process = choreo.up()
        assert undoer.waiting.wait(30)  # a revert is under way, and its answer will find nobody
        kill(process)
        undoer.release.set()
        for _ in range(2):
            process = choreo.start("manage.py", "up", "--port", str(choreo.port))
            eventually(lambda: _listens(choreo), "it listens")  # ready or not
            kill(process)
        process = choreo.up()
        eventually(lambda: all(_status(api, job) == "cancelled" for job in [*good, slow]), "all reverted", 75)
        eventually(lambda: _status(api, bad) == "revertFailed", "the refused one is told")
        incidents = eventually(lambda: api.get(f"/jobs/{bad}/incidents").json()["incidents"], "a human is called")
        assert len(incidents) == 1
        undone = [f"/ok/{number}" for number in range(6)] + ["/slow/1"]
        assert {path: len(undoer.effects[path]) for path in undone} == dict.fromkeys(undone, 1)
        assert all(len(set(keys)) == 1 for keys in undoer.keys.values())
        stop_in_good_order(process)


def _job(api: httpx.Client, revert_url: str) -> str:
    """A job that will be over its max TTL in 2 s, with one task that is done."""
    job, task = str(uuid4()), str(uuid4())
    put(api, f"/jobs/{job}", {"jobName": "checkout", "jobMaxTTL": 2})
    done = {"taskName": "pay", "taskStatus": "completed", "taskRevertURL": revert_url}
    put(api, f"/jobs/{job}/tasks/{task}", done)
    return job


def _status(api: httpx.Client, job: str) -> str:
    return str(api.get(f"/jobs/{job}").json()["jobStatus"])


def _listens(choreo: Choreo) -> bool:
    try:
        return choreo.http.get("/healthz").is_success
    except httpx.TransportError:
        return False


def kill(process: subprocess.Popen[bytes]) -> None:
    """As the machine's power would."""
    process.kill()
    process.wait()


def stop_in_good_order(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and code 0."""
    process.terminate()
    assert process.wait(10) == 0
