"""`up --demo`: what somebody who has just installed Choreo sees."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.acceptance.choreo import Choreo, eventually, installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

WANTED = {"completed", "cancelled", "revertFailed"}


def test_the_demo_shows_every_end_within_90_seconds_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with installation(tmp_path) as choreo:
        process = choreo.up("--demo")
        operator = sign_in(choreo)
        eventually(lambda: statuses(operator) >= WANTED, "every end was seen", 90)
        failed = operator.get("/api/v1/jobs", params={"jobStatus": "revertFailed"}).json()["jobs"]
        job = failed[0]["jobID"]
        eventually(lambda: operator.get(f"/api/v1/jobs/{job}/incidents").json()["incidents"], "a human is called")
        services = children(process.pid)
        assert len(services) == 4
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        eventually(lambda: not any(map(is_there, services)), "the services ended with it", 10)


def sign_in(choreo: Choreo) -> httpx.Client:
    """The operator's browser, without the browser."""
    client = choreo.client(follow_redirects=True)
    client.get("/admin/login/")
    form = {"username": "admin", "password": choreo.environment["CHOREO_ADMIN_PASSWORD"], "next": "/healthz"}
    answer = client.post(
        "/admin/login/",
        data=form | {"csrfmiddlewaretoken": client.cookies["csrftoken"]},
        headers={"referer": f"{choreo.url}/admin/login/"},
    )
    assert answer.json() == {"status": "ok"}
    return client


def statuses(operator: httpx.Client) -> set[str]:
    """The statuses of the jobs that there are."""
    return {job["jobStatus"] for job in operator.get("/api/v1/jobs", params={"limit": 200}).json()["jobs"]}


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def is_there(pid: int) -> bool:
    """Does this process run? One that ended and waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
