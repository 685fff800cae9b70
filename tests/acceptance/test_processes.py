"""The same code as three processes on PostgreSQL and Valkey, as in production."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.choreo import eventually, first_job, installation, put
from tests.acceptance.undoer import Undoer

pytestmark = [pytest.mark.slow, pytest.mark.peer]


def test_web_worker_and_beat_revert_a_job_over_its_max_ttl(tmp_path: Path, fresh_database: str, redis_url: str) -> None:
    servers = {"DATABASE_URL": fresh_database, "REDIS_URL": redis_url, "CHOREO_ALLOW_PRIVATE_CALLBACKS": "true"}
    with Undoer() as undoer, installation(tmp_path, **servers) as choreo:
        processes = list(choreo.start_three().values())
        assert first_job(choreo)["jobStatus"] == "completed"
        api = choreo.service("cart")
        job, task = uuid4(), uuid4()
        put(api, f"/jobs/{job}", {"jobName": "checkout", "jobMaxTTL": 1})
        done = {"taskName": "pay", "taskStatus": "completed", "taskRevertURL": f"{undoer.url}/ok/pay"}
        put(api, f"/jobs/{job}/tasks/{task}", done)
        ended = eventually(lambda: _ended(api.get(f"/jobs/{job}").json()), "the job has ended")
        assert (ended["jobStatus"], ended["jobReason"]) == ("cancelled", "maxTTL")
        assert [done["taskStatus"] for done in ended["taskRecord"]] == ["reverted"]
        assert len(undoer.effects["/ok/pay"]) == 1
        for process in reversed(processes):
            process.terminate()
        assert [process.wait(20) for process in processes] == [0, 0, 0]


def _ended(job: dict[str, Any]) -> dict[str, Any]:
    return job if job["jobStatus"] not in ("working", "cancelling") else {}
