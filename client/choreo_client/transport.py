"""One HTTP exchange with Choreo, repeated as the retry rule allows."""

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from choreo_client.errors import Problem, Unreachable, UnreadableAnswer
from choreo_client.fallback import (
    DEFAULT_POLICY,
    Outcome,
    RetryPolicy,
    Rng,
    next_delay,
    parse_retry_after,
)

Sleep = Callable[[float], None]


class Transport:
    """Sends requests under `{base_url}/api/v1`; safe to share between threads.

    `sleep` and `rng` are what the waits between attempts are made of: tests pass their own.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timeout: float,
        *,
        policy: RetryPolicy = DEFAULT_POLICY,
        transport: httpx.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
        rng: Rng = random.random,
    ) -> None:
        self.policy = policy
        self._sleep = sleep
        self._rng = rng
        self._root = f"{base_url.rstrip('/')}/api/v1"
        # The environment's proxies and .netrc stay out: the token is for Choreo alone.
        self._http = httpx.Client(
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: object = None,
        content_type: str = "application/json",
    ) -> httpx.Response:
        """A success or 304. Raises Problem or Unreachable, once retrying is of no use."""
        content = None if body is None else encode(body)
        if content is not None:
            headers = {**headers, "content-type": content_type}
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._attempt(method, path, headers, content)
            except (Problem, Unreachable) as failure:
                delay = next_delay(attempt, _outcome(method, failure), self._rng, self.policy)
                if delay is None:
                    raise
            self._sleep(delay)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _attempt(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
        try:
            response = self._http.request(method, self._root + path, headers=headers, content=content)
        except httpx.RequestError as error:
            raise Unreachable(f"{method} {path}: {error!r}") from error
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        raise problem_of(response)


def encode(body: object) -> bytes:
    """UTF-8 JSON; ValueError or TypeError for what JSON has no word for, NaN included."""
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a successful answer; UnreadableAnswer when it is none."""
    try:
        value = response.json()
    except ValueError as error:
        raise UnreadableAnswer(f"{response.request.url}: no JSON") from error
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"{response.request.url}: no JSON object")
    return value


def problem_of(response: httpx.Response) -> Problem:
    """The Problem that an unsuccessful answer tells of, whatever its body is."""
    try:
        members = response.json()
    except ValueError:
        members = None
    wait = parse_retry_after(response.headers.get("retry-after"), datetime.now(UTC))
    known = members if isinstance(members, dict) else None
    return Problem(response.status_code, known, wait)


def _outcome(method: str, failure: Problem | Unreachable) -> Outcome:
    if isinstance(failure, Problem):
        return Outcome(method, failure.status, failure.retry_after)
    return Outcome(method, None)
