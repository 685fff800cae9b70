"""Choreo's hosts have clocks that are 90 s off, each in its own way: the database's clock decides all the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import libfaketime
import pytest

from tests.acceptance.choreo import eventually, installation, put
from tests.acceptance.undoer import Undoer
from tests.faults.scene import Observer, pause, writing

pytestmark = [pytest.mark.proof, pytest.mark.timeout(200)]

LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
WATCH_SECONDS = 15


def off(seconds: int) -> Mapping[str, str]:
    """The environment of a process whose wall clock is off; how long it waits is not touched."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.parametrize(("web", "worker", "beat"), [(90, -90, 90), (-90, 90, -90)])
def test_nothing_is_early_by_any_clock(
    web: int, worker: int, beat: int, tmp_path: Path, fresh_database: str, redis_url: str
) -> None:
    environment = {"DATABASE_URL": fresh_database, "REDIS_URL": redis_url, "CHOREO_ALLOW_PRIVATE_CALLBACKS": "true"}
    clocks = {"web": off(web), "worker": off(worker), "beat": off(beat)}
    observer = Observer(fresh_database)
    with Undoer() as undoer, installation(tmp_path, **environment) as choreo:
        choreo.start_three(environments=clocks)
        answer = choreo.http.get("/healthz")
        date = datetime.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert abs((date - datetime.now(UTC)).total_seconds() - web) < 10, "the web server's clock is not off"
        api = choreo.service("cart")
        patient = str(uuid4())
        put(api, f"/jobs/{patient}", {"jobName": "patient", "jobMaxTTL": 80})
        put(api, f"/jobs/{patient}/tasks/{uuid4()}", {"taskName": "wait", "taskStatus": "working", "taskMaxTTL": 70})
        with writing(api, undoer.url) as client:
            pause(WATCH_SECONDS)
        eventually(lambda: observer.open_jobs() == 1, "every job but the patient one has ended")
        eventually(lambda: len(undoer.keys) == client.answers.jobs, "every task's service was called")
        eventually(lambda: len(observer.lateness()["people called"]) == client.answers.refused, "people are called")
        assert client.answers.failed() == set()
        waiting = api.get(f"/jobs/{patient}").json()
        assert waiting["jobStatus"] == waiting["taskRecord"][0]["taskStatus"] == "working"
        started = datetime.fromisoformat(waiting["jobStartDateTime"])
        assert abs((started - observer.now()).total_seconds()) < 60
        late = observer.lateness()
        print(
            f"\n{web:+d} {worker:+d} {beat:+d}: " + ", ".join(f"{what} {max(all_):.1f}" for what, all_ in late.items())
        )
        assert min(late["jobs cancelled"]) >= 0
        assert all(max(seconds) <= 10 for seconds in late.values())
