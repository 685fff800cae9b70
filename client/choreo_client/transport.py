"""One HTTP exchange with Choreo, repeated as the ladder says: it has one location, and no queue."""

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from choreo_client.errors import Problem, Unreachable, UnreadableAnswer
from choreo_client.fallback import Rng, parse_retry_after
from choreo_client.ladder import DEFAULT_POLICY, Attempt, Location, Policy, Retry, next_move

Sleep = Callable[[float], None]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """This machine's clock, which only the waits of a call hang on."""
    return datetime.now(UTC)


class Transport:
    """Sends requests under `{base_url}/api/v1`; safe to share between threads.

    `sleep`, `clock` and `rng` are what the waits between attempts are made of: tests pass their own.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timeout: float,
        *,
        policy: Policy = DEFAULT_POLICY,
        transport: httpx.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
        clock: Clock = utc_now,
        rng: Rng = random.random,
    ) -> None:
        self.policy = policy
        self._sleep = sleep
        self._clock = clock
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
        began = self._clock()
        tried: list[Attempt] = []
        while True:
            try:
                return self._attempt(method, path, headers, content)
            except (Problem, Unreachable) as failure:
                now = self._clock()
                tried.append(self._failed(failure, now))
                here = [Location(self._root)]
                move = next_move(self.policy, here, tried, method=method, began=began, now=now, rng=self._rng)
                if not isinstance(move, Retry):
                    raise
            self._sleep((move.at - now).total_seconds())

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
        raise problem_of(response, self._clock())

    def _failed(self, failure: Problem | Unreachable, now: datetime) -> Attempt:
        if isinstance(failure, Problem):
            return Attempt(self._root, now, failure.status, failure.retry_after)
        return Attempt(self._root, now)


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


def problem_of(response: httpx.Response, now: datetime) -> Problem:
    """The Problem that an unsuccessful answer, come at `now`, tells of, whatever its body is."""
    try:
        members = response.json()
    except ValueError:
        members = None
    wait = parse_retry_after(response.headers.get("retry-after"), now)
    known = members if isinstance(members, dict) else None
    return Problem(response.status_code, known, wait)
