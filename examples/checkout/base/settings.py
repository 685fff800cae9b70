"""What a service is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings; durations are whole seconds.

    `subscriber_url` is the only other service that this one knows of; `subscriber_fallback_url` and
    `subscriber_service`, its name in the registry, lead to other places of the same one, and may be empty.
    `webhook_secrets` is empty when unsigned calls are accepted.
    """

    choreo_url: str
    choreo_token: str
    webhook_secrets: tuple[str, ...]
    host: str
    port: int
    public_url: str
    subscriber_url: str
    subscriber_fallback_url: str
    subscriber_service: str
    data: Path
    job_max_ttl: int
    task_max_ttl: int


def read_settings(name: str, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of service `name`; KeyError or ValueError for what is missing or bad."""
    port = int(environ["SERVICE_PORT"])
    host = environ.get("SERVICE_HOST", "127.0.0.1")
    return Settings(
        choreo_url=environ.get("CHOREO_URL", "http://127.0.0.1:8000"),
        choreo_token=environ.get("CHOREO_TOKEN", ""),
        # More than one, parted by commas, while a secret is being rotated.
        webhook_secrets=tuple(s for s in environ.get("CHOREO_WEBHOOK_SECRET", "").split(",") if s),
        host=host,
        port=port,
        public_url=environ.get("SERVICE_URL", f"http://{host}:{port}").rstrip("/"),
        subscriber_url=environ["SUBSCRIBER_URL"],
        subscriber_fallback_url=environ.get("SUBSCRIBER_FALLBACK_URL", ""),
        subscriber_service=environ.get("SUBSCRIBER_SERVICE", ""),
        data=Path(environ.get("SERVICE_DATA", f"var/checkout/{name}")),
        job_max_ttl=int(environ.get("JOB_MAX_TTL", "30")),
        task_max_ttl=int(environ.get("TASK_MAX_TTL", "30")),
    )
