"""A service that talks to the API in these tests, as plainly as curl does."""

import json
import uuid
from typing import Any
from uuid import UUID

from django.test import Client

from jobs.services.accounts import issue_token

Json = dict[str, Any]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
_JSON = "application/json"


class Api:
    """A caller with a token of `service`; without one when that is None. Paths are relative to /api/v1/."""

    def __init__(self, service: str | None = "cart", *scopes: str, client: Client | None = None) -> None:
        self.client = client or Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {issue_token(service, scopes=scopes)}"} if service else {}

    def send(self, method: str, path: str, body: Any = None, media_type: str | None = None, **headers: str) -> Any:
        """One request; `body` may be bytes, text, or what becomes JSON. `if_match` is the header If-Match."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("/") else f"/api/v1/{path}"
        if body is None and media_type is None:
            return self.client.generic(method, url, headers={**self.headers, **given})
        kind = _JSON if media_type is None else media_type
        return self.client.generic(method, url, _bytes(body), kind, headers={**self.headers, **given})

    def get(self, path: str, **headers: str) -> Any:
        """GET."""
        return self.send("GET", path, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        """PUT."""
        return self.send("PUT", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        """PATCH with a merge patch."""
        return self.send("PATCH", path, body, media_type="application/merge-patch+json", **headers)

    def job(self, job_id: UUID | None = None, **members: Any) -> str:
        """PUT a job; its path."""
        path = f"jobs/{job_id or uuid.uuid4()}"
        response = self.put(path, {"jobName": "checkout", **members})
        assert response.status_code in {200, 201}, response.content
        return path

    def task(self, job: str, task_id: UUID | None = None, **members: Any) -> str:
        """PUT a task of the job at the path `job`; its path."""
        path = f"{job}/tasks/{task_id or uuid.uuid4()}"
        response = self.put(path, {"taskName": "tax", **members})
        assert response.status_code in {200, 201}, response.content
        return path


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def problem(response: Any, status: int, slug: str) -> Json:
    """The response's problem, after it was checked to be one of this kind (RFC 9457)."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"] == "application/problem+json"
    body: Json = response.json()
    assert body["status"] == status
    assert body["type"] == f"http://127.0.0.1:8000/problems/{slug}", body
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith("/")
    return body


def pointers(response: Any) -> set[str]:
    """Where a 422 found faults."""
    return {error["pointer"] for error in problem(response, 422, "validation")["errors"]}
