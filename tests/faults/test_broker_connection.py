"""How soon Choreo's processes notice a broker, and its absence."""

import socket
import time
from typing import Any

import pytest
from django.test import Client
from kombu import Connection
from pytest_django import Settings

from choreo_web.broker import RECONNECT_SECONDS, Channel, PatientConnection
from choreo_web.celery import app


@pytest.mark.parametrize("connection", [app.connection_for_read(), app.connection_for_write()])
def test_workers_and_beat_try_to_reconnect_every_few_seconds(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(Connection, "_ensure_connection", lambda self, *args, **options: asked.update(options))
    connection.ensure_connection(None, 0)
    assert asked["interval_max"] == RECONNECT_SECONDS <= 5
    connection.ensure_connection(interval_max=1)
    assert asked["interval_max"] == 1


@pytest.mark.peer
def test_a_channel_that_outlives_its_connection_says_so(redis_url: str) -> None:
    """Celery bears a lost connection when it cleans up; anything else it takes for a bug, and ends the worker."""
    connection = PatientConnection(redis_url)
    channel = connection.default_channel
    assert isinstance(channel, Channel)
    connection.collect(socket_timeout=1)  # what Celery does when the broker went away
    channel._disconnect_pools()  # type: ignore[attr-defined]  # the stubs leave it out
    with pytest.raises(connection.connection_errors):
        _ = channel.pool


@pytest.mark.django_db
def test_readiness_waits_for_a_broker_that_hangs_no_longer_than_for_one_answer(
    client: Client, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        begun = time.monotonic()
        answer = client.get("/readyz")
    assert time.monotonic() - begun < 4  # one try of 1 s, on a machine that has other things to do
    assert (answer.status_code, answer.json()["checks"]["broker"]) == (503, "does not answer")
