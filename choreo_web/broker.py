"""How Choreo's processes talk to the broker: they come back to it soon, and survive its absence."""

from typing import Any

import redis
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis as redis_transport

RECONNECT_SECONDS = 3.0
"""The longest pause between two tries to reach a broker that is away. Celery's grows to 30 s, and has no setting."""


class Channel(redis_transport.Channel):
    """A channel that says what is wrong when it is used after its connection was given up.

    Celery does that while it cleans up after a broker that went away, and when a task that began before then is
    acknowledged. Kombu raises AttributeError there, which Celery takes for a bug in itself and ends the worker;
    a lost connection is what it knows how to bear.
    """

    def _get_pool(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise redis.ConnectionError("The channel's connection was given up.")
        return super()._get_pool(asynchronous=asynchronous)  # type: ignore[misc]  # the stubs leave it out


class Transport(redis_transport.Transport):
    """Kombu's Redis transport with channels of ours."""

    Channel = Channel


class PatientConnection(Connection):
    """A connection to the broker that tries again soon, however long the broker has been away."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, however often it takes. Workers and beat come through here, at their start and after each loss."""
        return super().ensure_connection(*args, **({"interval_max": RECONNECT_SECONDS} | kwargs))

    def get_transport_cls(self) -> Any:
        """Our transport for Redis; others, such as the one in memory, as they are."""
        found = super().get_transport_cls()
        return Transport if found is redis_transport.Transport else found


class PatientAMQP(AMQP):
    """Celery's messaging with connections of ours, for workers, beat and wake-ups alike."""

    Connection = PatientConnection
