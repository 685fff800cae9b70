"""A client that writes steadily, whatever breaks, and what the database says about how late Choreo was."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import psycopg

PACE_SECONDS = 1.0
MAX_TTL = 2

LATENESS = {
    "jobs cancelled": """
        SELECT extract(epoch FROM e.at - j.deadline_at) FROM jobs_jobevent e JOIN jobs_job j ON j.id = e.job_id
        WHERE e.cause = 'jobMaxTTL'""",
    "services called": """
        SELECT extract(epoch FROM min(a.started_at) - c.created_at)
        FROM jobs_call c JOIN jobs_callattempt a ON a.call_id = c.id GROUP BY c.id, c.created_at""",
    "incidents opened": """
        SELECT extract(epoch FROM i.opened_at - j.deadline_at)
        FROM escalation_incident i JOIN jobs_job j ON j.id = i.job_id
        JOIN escalation_incidentcause c ON c.incident_id = i.id AND c.cause = 'jobMaxTTL'""",
    "people called": """
        SELECT extract(epoch FROM min(a.started_at) - least(j.deadline_at, min(e.at)))
        FROM jobs_job j JOIN jobs_jobevent e ON e.job_id = j.id AND e.cause <> ''
        JOIN escalation_incident i ON j.id = i.job_id
        JOIN escalation_notification n ON n.incident_id = i.id AND n.kind IN ('opened', 'worse')
        JOIN escalation_deliveryattempt a ON a.notification_id = n.id
        WHERE EXISTS (SELECT FROM jobs_task t WHERE t.job_id = j.id AND t.status = 'revertFailed')
        GROUP BY j.id, j.deadline_at""",
}
"""By what was due: SQL for the seconds after which it was done, a row each. All times are of the database's clock."""


def pause(seconds: float) -> None:
    """Let real time go by: something has to be away for a while."""
    time.sleep(seconds)


@dataclass
class Answers:
    """What a client saw."""

    statuses: list[int] = field(default_factory=list)
    slowest: float = 0.0
    jobs: int = 0
    refused: int = 0

    def failed(self) -> set[int]:
        """The kinds of answers that were no success."""
        return {status for status in self.statuses if not 200 <= status < 300}


class Client(threading.Thread):
    """Makes a job every `pace` seconds that nobody finishes, with one task to revert; asks for every fifth's cancel.

    Every third revert is refused by the task's service, so that people are called and their incident stays open. A 503
    is tried again after the seconds that it asks for, at most 1, as often as it takes.
    """

    def __init__(self, api: httpx.Client, undo_url: str, pace: float) -> None:
        super().__init__(daemon=True)
        self.pace = pace
        self.api = api
        self.undo_url = undo_url
        self.answers = Answers()
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until `stopping` is set; what was begun is finished."""
        number = 0
        while not self.stopping.wait(self.pace):
            number += 1
            self._one(number)

    def _one(self, number: int) -> None:
        job, task = str(uuid4()), str(uuid4())
        refused = number % 3 == 0
        self._put(f"/jobs/{job}", {"jobName": f"checkout-{number}", "jobMaxTTL": MAX_TTL})
        revert_url = f"{self.undo_url}/{'no' if refused else 'ok'}/{task}"
        done = {"taskName": "pay", "taskStatus": "completed", "taskRevertURL": revert_url}
        self._put(f"/jobs/{job}/tasks/{task}", done)
        if number % 5 == 0:
            self._put(f"/jobs/{job}/cancellation", {})
        self.answers.jobs += 1
        self.answers.refused += refused

    def _put(self, path: str, body: Mapping[str, Any]) -> None:
        while True:
            begun = time.monotonic()
            answer = self.api.put(path, json=body)
            self.answers.slowest = max(self.answers.slowest, time.monotonic() - begun)
            self.answers.statuses.append(answer.status_code)
            if answer.status_code != 503:
                return
            assert answer.headers["content-type"] == "application/problem+json"
            self.stopping.wait(min(1.0, float(answer.headers["retry-after"])))


@contextmanager
def writing(api: httpx.Client, undo_url: str, pace: float = PACE_SECONDS) -> Iterator[Client]:
    """A client that writes within the block."""
    client = Client(api, undo_url, pace)
    client.start()
    try:
        yield client
    finally:
        client.stopping.set()
        client.join(30)
    assert not client.is_alive()


class Observer:
    """Looks into the database of an installation."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query yields."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def now(self) -> Any:
        """The database's clock."""
        return self.rows("SELECT clock_timestamp()")[0][0]

    def lateness(self) -> dict[str, list[float]]:
        """After how many seconds it was done each time, by what was due (see `LATENESS`)."""
        return {what: [float(row[0]) for row in self.rows(query)] for what, query in LATENESS.items()}

    def swept_since(self, moment: Any) -> bool:
        """Has every frequent sweep left its mark since then? Only workers leave marks."""
        old = self.rows("SELECT name FROM jobs_sweepbeat WHERE at <= %s AND name <> 'jobs.audit'", moment)
        return not old

    def open_jobs(self) -> int:
        """How many jobs have not come to their end."""
        return int(self.rows("SELECT count(*) FROM jobs_job WHERE status IN ('working', 'cancelling')")[0][0])
