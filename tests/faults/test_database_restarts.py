"""PostgreSQL goes away in the middle of everything, in good order and in a crash: 503, and then nothing is missing."""

import signal
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from choreo_web.ports import free_port
from tests import servers
from tests.acceptance.choreo import Choreo, eventually, installation, put
from tests.acceptance.undoer import Undoer
from tests.faults.scene import Observer, pause, writing

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

AWAY_SECONDS = 8
SWEPT_SECONDS = 10.0
RESTARTS = [signal.SIGINT, signal.SIGQUIT]
"""A restart in good order, which cuts every client off, and one without a word, after which the log is replayed."""

WHOLE = """
    SELECT j.id FROM jobs_job j WHERE j.name LIKE 'checkout%' AND (
        (SELECT count(*) FROM jobs_task t WHERE t.job_id = j.id) <> 1
        OR (SELECT count(*) FROM jobs_jobevent e WHERE e.job_id = j.id AND e.kind = 'job.created') <> 1
        OR (SELECT count(*) FROM jobs_jobevent e WHERE e.job_id = j.id AND e.kind = 'task.created') <> 1
        OR j.status NOT IN ('cancelled', 'revertFailed') OR j.status = 'cancelled' AND j.reason = '')"""
OVERDUE = "SELECT 1 FROM jobs_job WHERE status = 'working' AND deadline_at < clock_timestamp()"


def test_clients_that_try_again_after_503_end_whole(tmp_path: Path, redis_url: str) -> None:
    with (
        servers.restartable_postgresql(free_port(), "synchronous_commit=on") as postgresql,
        servers.database(postgresql.url, "choreo") as url,
        Undoer() as undoer,
        installation(tmp_path, DATABASE_URL=url, REDIS_URL=redis_url, CHOREO_ALLOW_PRIVATE_CALLBACKS="true") as choreo,
    ):
        choreo.start_three()
        observer, api, other = Observer(url), choreo.service("cart"), choreo.service("shop")
        patient = str(uuid4())
        put(api, f"/jobs/{patient}", {"jobName": "patient", "jobMaxTTL": 600})
        swept = []
        with writing(api, undoer.url, 0.5) as one, writing(other, undoer.url, 0.5) as two:
            for how in RESTARTS:
                pause(5)
                postgresql.stop(how)
                pause(AWAY_SECONDS / 2)
                look_at_everything(choreo, api, patient)
                pause(AWAY_SECONDS / 2)
                postgresql.start()
                begun = time.monotonic()
                eventually(lambda: not observer.rows(OVERDUE), "all that was overdue is swept", 2 * SWEPT_SECONDS)
                swept.append(time.monotonic() - begun)
                eventually(lambda: readiness(choreo) == "ok", "/readyz says so")
        jobs = one.answers.jobs + two.answers.jobs
        eventually(lambda: observer.open_jobs() == 1, "every job but the patient one has ended")
        eventually(lambda: len(undoer.keys) == jobs, "every task's service was called")
        refused = one.answers.refused + two.answers.refused
        eventually(lambda: len(observer.lateness()["people called"]) == refused, "people are called")
        unavailable = sum(client.answers.statuses.count(503) for client in (one, two))
        print(f"\n{jobs} jobs, {unavailable} answers of 503, swept after {[round(seconds, 1) for seconds in swept]} s")
        # 409 is the end of a report that came through only after the job's deadline: kept, and reverted like the rest.
        assert {503} <= one.answers.failed() | two.answers.failed() <= {503, 409}
        assert max(swept) <= SWEPT_SECONDS
        assert min(observer.lateness()["jobs cancelled"]) >= 0
        assert observer.rows("SELECT count(*) FROM jobs_job WHERE name LIKE 'checkout%'") == [(jobs,)]
        assert observer.rows(WHOLE) == []
        assert all(len(set(keys)) == 1 for keys in undoer.keys.values())
        assert api.get(f"/jobs/{patient}").json()["jobStatus"] == "working"


def readiness(choreo: Choreo) -> str:
    """What /readyz says of the database."""
    return str(choreo.http.get("/readyz").json()["checks"]["database"])


def look_at_everything(choreo: Choreo, api: httpx.Client, job: str) -> None:
    """What a service, an operator and a supervisor see meanwhile."""
    assert choreo.http.get("/healthz").status_code == 200
    assert readiness(choreo) == "does not answer"
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/progress", f"/jobs/{job}/shared-state", "/vocabulary"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
        assert answer.headers["retry-after"].isdigit()
    page = choreo.http.get("/admin/", headers={"cookie": "sessionid=some-session", "accept": "text/html"})
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "The database does not answer" in page.text
    assert "Traceback" not in page.text
