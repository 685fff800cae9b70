"""Choreo's HTTP API, a method for each thing that a service does with it.

Arguments and answers are the contract's own JSON objects (camelCase). Every method raises
Problem when Choreo refuses and Unreachable when no answer comes; both are ChoreoError.
"""

import copy
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx

from choreo_client.correlation import Correlation, current
from choreo_client.errors import Problem, UnreadableAnswer
from choreo_client.fallback import Rng
from choreo_client.ladder import DEFAULT_POLICY, ONE_ATTEMPT, Policy
from choreo_client.merge import merge_patch
from choreo_client.transport import Sleep, Transport, json_object

Json = dict[str, Any]
Change = Mapping[str, Any] | Callable[[Json], Json]
"""A merge patch, or a pure function from the value that is there to the one wanted."""

_MERGE_PATCH = "application/merge-patch+json"


class Versioned(NamedTuple):
    """A value and the strong `ETag` that it was read or written with."""

    value: Json
    etag: str


class Progress(NamedTuple):
    """`value` is None when it still is what `etag` stands for (304)."""

    value: Json | None
    etag: str


class Choreo:
    """One service's connection to Choreo; safe to share between threads.

    `base_url` is without `/api/v1`; `timeout` (seconds) bounds each attempt. GET, PUT and
    DELETE are tried up to three times for failures that may pass, PATCH never.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timeout: float = 5.0,
        *,
        policy: Policy = DEFAULT_POLICY,
        transport: httpx.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
        rng: Rng = random.random,
    ) -> None:
        self._transport = Transport(
            base_url,
            token,
            timeout,
            policy=policy,
            transport=transport,
            sleep=sleep,
            rng=rng,
        )

    def once(self) -> Self:
        """The same connection without automatic retries, for who has a schedule already."""
        twin = copy.copy(self)
        twin._transport = copy.copy(self._transport)
        twin._transport.policy = ONE_ATTEMPT
        return twin

    def close(self) -> None:
        """Give the connections back; twins made by `once` share them."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def put_job(self, job_id: str, job: Mapping[str, Any]) -> Json:
        """Create or replace a job; `jobName` is required."""
        return json_object(self._send("PUT", job_id, "", job))

    def patch_job(self, job_id: str, patch: Mapping[str, Any]) -> Json:
        """Merge into a job, e.g. `{"jobStatus": "completed"}`. Never retried."""
        return json_object(self._send("PATCH", job_id, "", patch))

    def cancel_job(self, job_id: str) -> None:
        """Ask for cancel and Revert Them All; Choreo answers before they are done."""
        self._send("PUT", job_id, "/cancellation", {})

    def put_task(self, job_id: str, task_id: str, task: Mapping[str, Any]) -> Json:
        """Create or replace a task of this service; `taskName` is required."""
        return json_object(self._send_task("PUT", job_id, task_id, task))

    def patch_task(self, job_id: str, task_id: str, patch: Mapping[str, Any]) -> Json:
        """Merge into a task of this service. Never retried."""
        return json_object(self._send_task("PATCH", job_id, task_id, patch))

    def read_shared_state(self, job_id: str) -> Versioned:
        """The job's shared state, `{}` when nobody has written yet."""
        response = self._send("GET", job_id, "/shared-state")
        return Versioned(json_object(response), response.headers.get("etag", ""))

    def put_shared_state(self, job_id: str, value: Mapping[str, Any], etag: str) -> str:
        """Replace the shared state if `etag` is still its tag (else Problem 412): the new tag."""
        return self._write_state("PUT", job_id, value, etag)

    def patch_shared_state(self, job_id: str, patch: Mapping[str, Any], etag: str) -> str:
        """Merge into the shared state if `etag` is still its tag: the new tag. Never retried."""
        return self._write_state("PATCH", job_id, patch, etag)

    def update_shared_state(self, job_id: str, change: Change, tries: int = 8) -> Versioned:
        """Read, change, PUT back; again from the start when another writer came between.

        Values must be absolute: after a lost answer the change is made a second time.
        Raises the last Problem 412 when `tries` rounds were all overtaken.
        """
        for left in reversed(range(tries)):
            read = self.read_shared_state(job_id)
            wanted = _changed(read.value, change)
            if wanted == read.value:
                return read
            try:
                return Versioned(wanted, self.put_shared_state(job_id, wanted, read.etag))
            except Problem as problem:
                if problem.status != httpx.codes.PRECONDITION_FAILED or not left:
                    raise
        raise ValueError("tries must be at least 1")

    def progress(self, job_id: str, etag: str | None = None) -> Progress:
        """The progress resource; with the last `etag`, its value only if it has changed."""
        headers = {} if etag is None else {"if-none-match": etag}
        response = self._send("GET", job_id, "/progress", headers=headers)
        tag = response.headers.get("etag", etag or "")
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return Progress(None, tag)
        return Progress(json_object(response), tag)

    def put_error_report(self, job_id: str, report_id: str, report: Mapping[str, Any]) -> Json:
        """An RFC 9457 object with `taskID`; `halting: true` calls a human for help."""
        path = f"/error-reports/{_segment(report_id)}"
        return json_object(self._send("PUT", job_id, path, report))

    def put_location(
        self,
        service: str,
        location_id: str,
        url: str,
        *,
        priority: int = 0,
        lease_seconds: int = 30,
        kind: str = "primary",
    ) -> None:
        """Register a location of this service, or renew its lease (lower priority first)."""
        body = {
            "url": url,
            "priority": priority,
            "leaseSeconds": lease_seconds,
            "kind": kind,
        }
        self._request("PUT", _location_path(service, location_id), current(), body)

    def locations(self, service: str) -> list[Json]:
        """The locations of a service whose leases run (`url`, `leaseSeconds`, …), in the order in which to try them."""
        path = f"/services/{_segment(service)}/locations"
        listed = json_object(self._request("GET", path, current())).get("locations")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise UnreadableAnswer(f"{path}: no list of locations")
        return listed

    def delete_location(self, service: str, location_id: str) -> None:
        """Withdraw a location before its lease ends."""
        self._request("DELETE", _location_path(service, location_id), current())

    def _write_state(self, method: str, job_id: str, body: Mapping[str, Any], etag: str) -> str:
        headers = {"if-match": etag}
        response = self._send(method, job_id, "/shared-state", body, headers)
        return str(response.headers.get("etag", ""))

    def _send_task(self, method: str, job_id: str, task_id: str, body: Mapping[str, Any]) -> httpx.Response:
        sender = Correlation(job_id, task_id, current().traceparent)
        path = f"/jobs/{_segment(job_id)}/tasks/{_segment(task_id)}"
        return self._request(method, path, sender, body)

    def _send(
        self,
        method: str,
        job_id: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        now = current()
        # Another job's task says nothing about this job.
        task_id = now.task_id if now.job_id == job_id else None
        sender = Correlation(job_id, task_id, now.traceparent)
        path = f"/jobs/{_segment(job_id)}{path}"
        return self._request(method, path, sender, body, headers)

    def _request(
        self,
        method: str,
        path: str,
        sender: Correlation,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        kind = _MERGE_PATCH if method == "PATCH" else "application/json"
        every = {**sender.headers(), **(headers or {})}
        return self._transport.request(method, path, every, body, kind)


def _changed(value: Json, change: Change) -> Json:
    if isinstance(change, Mapping):
        merged: Json = merge_patch(value, change)
        return merged
    # A copy, so that a function that changes its argument cannot hide the difference.
    return change(copy.deepcopy(value))


def _location_path(service: str, location_id: str) -> str:
    return f"/services/{_segment(service)}/locations/{_segment(location_id)}"


def _segment(text: str) -> str:
    return quote(text, safe="")
