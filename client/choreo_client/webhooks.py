"""Sign and verify what Choreo sends to services, as the Standard Webhooks spec has it.

Three headers: `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`,
one or more `v1,<base64 of HMAC-SHA256>` parted by spaces, over `{id}.{timestamp}.{body}`.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping

from choreo_client.errors import SignatureError

SECRET_PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The whole `v1,…` value; `secret` is `whsec_<base64>`. SignatureError if it is not."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_headers(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers; more than one secret while an old one is being rotated out."""
    signatures = (sign(secret, message_id, timestamp, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The `webhook-id` of a message that one of `secrets` signed; else SignatureError.

    `now` is in Unix seconds; the message's own time may differ by at most five minutes.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id = found.get("webhook-id", "")
    timestamp = _timestamp(found.get("webhook-timestamp", ""))
    if not message_id or abs(now - timestamp) > TOLERANCE_SECONDS:
        raise SignatureError("webhook-id is missing or webhook-timestamp is too far off")
    offered = [_comparable(s) for s in found.get("webhook-signature", "").split()]
    expected = [_comparable(sign(s, message_id, timestamp, body)) for s in secrets]
    # Every pair is compared, so the time taken tells nothing about which one matched.
    matches = [hmac.compare_digest(e, o) for e in expected for o in offered]
    if not any(matches):
        raise SignatureError("no webhook-signature matches")
    return message_id


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        # Secrets are handed about without their padding too.
        padded = encoded + "=" * (-len(encoded) % 4)
        key = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        # The secret itself stays out of the message: messages end in logs.
        raise SignatureError("a webhook secret must be whsec_ and then base64")
    return key


def _timestamp(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise SignatureError("webhook-timestamp is missing or no number")
    return int(text)


def _comparable(signature: str) -> bytes:
    # compare_digest refuses non-ASCII str, and a header may carry any.
    return signature.encode("utf-8", "surrogatepass")
