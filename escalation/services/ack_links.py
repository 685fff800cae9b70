"""The ack link of an alert: `/ack/{signed}`, good for one contact and one incident, for seven days, without a login.

`signed` is 48 characters, short enough for a text message: base64url of 36 bytes, which are the incident's UUID (16),
the contact's ID (4), the moment of signing in Unix seconds (4), and 12 bytes (96 bits) of an HMAC-SHA256 over these,
by Django's `salted_hmac` with the secret key. `django.core.signing` does the same with text, and needs twice the room.
Keys in SECRET_KEY_FALLBACKS still open links that were signed before a rotation.
"""

import base64
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from escalation.domain.links import ascii_base

MAX_AGE = timedelta(days=7)
_SALT = "escalation.ack"
_PAYLOAD = struct.Struct(">16sII")
_MAC_BYTES = 12
_SIGNED = re.compile(r"[A-Za-z0-9_-]{48}")
"""48 times 6 bits are the 36 bytes exactly: each link has one spelling."""
_SKEW = timedelta(minutes=5)


class BadLink(Exception):
    """Not a link that Choreo signed."""


class ExpiredLink(Exception):
    """It was good once."""


@dataclass(frozen=True)
class AckLink:
    """Who may acknowledge what."""

    incident_id: UUID
    contact_id: int


def sign(incident_id: UUID, contact_id: int, now: datetime) -> str:
    """The 48 characters for this contact and this incident. Raises ValueError for an ID beyond 32 bits."""
    if not 0 <= contact_id < 2**32:
        raise ValueError(f"{contact_id} does not fit in an ack link.")
    payload = _PAYLOAD.pack(incident_id.bytes, contact_id, int(now.timestamp()))
    return base64.urlsafe_b64encode(payload + _mac(payload, settings.SECRET_KEY)).decode("ascii")


def read(signed: str, now: datetime) -> AckLink:
    """The inverse of `sign`. Raises BadLink or ExpiredLink."""
    payload, mac = _split(signed)
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(constant_time_compare(mac, _mac(payload, key)) for key in keys):
        raise BadLink
    incident, contact_id, seconds = _PAYLOAD.unpack(payload)
    signed_at = datetime.fromtimestamp(seconds, UTC)
    if not signed_at - _SKEW <= now <= signed_at + MAX_AGE:
        raise ExpiredLink
    return AckLink(UUID(bytes=incident), contact_id)


def ack_url(incident_id: UUID, contact_id: int, now: datetime) -> str:
    """The absolute link."""
    return f"{ascii_base(settings.CHOREO_PUBLIC_URL)}/ack/{sign(incident_id, contact_id, now)}"


def _split(signed: str) -> tuple[bytes, bytes]:
    if not _SIGNED.fullmatch(signed):
        raise BadLink
    raw = base64.urlsafe_b64decode(signed)
    return raw[: _PAYLOAD.size], raw[_PAYLOAD.size :]


def _mac(payload: bytes, key: str | bytes) -> bytes:
    return salted_hmac(_SALT, payload, secret=key, algorithm="sha256").digest()[:_MAC_BYTES]
