"""Report to Choreo without ever waiting for it: what cannot be told now is told later.

Only writes that may safely be repeated go through here: PUTs, and shared-state updates,
which are a conditional PUT. So there is no `patch_task` and no `patch_job`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from choreo_client.api import Choreo
from choreo_client.correlation import Correlation, correlated, current
from choreo_client.entries import Entry
from choreo_client.errors import Problem, Unreachable, UnreadableAnswer
from choreo_client.fallback import is_transient
from choreo_client.replay import QueueOptions, ReplayQueue, TryAgain

# Refusals that time can mend: a token being replaced (401), a job whose own PUT still waits
# in its initiator's outbox (404), shared state that many write at once (412).
_MENDABLE = frozenset({401, 404, 412})


class Outbox(ReplayQueue):
    """Delivers reports in order per job; takes the options of ReplayQueue.

    Its methods are Choreo's, but they return at once: True when the report is queued. What
    Choreo refuses for good goes to `on_refused(entry, error)`, with a Problem for an error.
    """

    def __init__(self, choreo: Choreo, path: str | Path | None = None, **options: Unpack[QueueOptions]) -> None:
        # The queue has its own schedule; retries inside would only hold up other jobs.
        self._choreo = choreo.once()
        super().__init__(self._report, path, **options)

    def put_job(self, job_id: str, job: Mapping[str, Any]) -> bool:
        """Queue `Choreo.put_job`."""
        return self._add("put_job", job_id, dict(job))

    def put_task(self, job_id: str, task_id: str, task: Mapping[str, Any]) -> bool:
        """Queue `Choreo.put_task`."""
        return self._add("put_task", job_id, task_id, dict(task))

    def update_shared_state(self, job_id: str, patch: Mapping[str, Any]) -> bool:
        """Queue `Choreo.update_shared_state`, with a merge patch of absolute values."""
        return self._add("update_shared_state", job_id, dict(patch))

    def put_error_report(self, job_id: str, report_id: str, report: Mapping[str, Any]) -> bool:
        """Queue `Choreo.put_error_report`."""
        return self._add("put_error_report", job_id, report_id, dict(report))

    def _add(self, kind: str, job_id: str, *arguments: object) -> bool:
        now = current()
        payload = {
            "arguments": [job_id, *arguments],
            "taskID": now.task_id if now.job_id == job_id else None,
            "traceparent": now.traceparent,
        }
        return self.put(job_id, kind, payload)

    def _report(self, entry: Entry) -> None:
        sender = Correlation(entry.key, entry.payload["taskID"], entry.payload["traceparent"])
        try:
            with correlated(sender):
                getattr(self._choreo, entry.kind)(*entry.payload["arguments"])
        except (Unreachable, UnreadableAnswer) as failure:
            raise TryAgain(str(failure)) from failure
        except Problem as problem:
            if is_transient(problem.status) or problem.status in _MENDABLE:
                raise TryAgain(str(problem), problem.retry_after) from problem
            raise
