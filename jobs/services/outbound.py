"""One HTTP call to a service: signed, guarded and bounded. Whatever the network does, the result is an `Answer`.

`probe` asks a service whether it is there, within the same limits.
"""

import json
import ssl
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from uuid import UUID

import httpcore
import httpx
import structlog
from choreo_client.errors import SignatureError
from choreo_client.fallback import parse_retry_after
from choreo_client.webhooks import signed_headers
from django.conf import settings

from jobs.domain.callbacks import Answer, AnswerKind, classify, poll_location
from jobs.domain.hosts import HostPort, is_listed, normal_host
from jobs.services.callback_guard import AddressRefused, Deadline, GuardedBackend, Reach

log = structlog.get_logger(__name__)

TOTAL_SECONDS = 10.0
"""For all of a call: resolving, connecting, TLS, sending, and the last byte of the answer."""
PROBE_SECONDS = 5.0
MAX_BODY = 64 * 1024
_MAX_DETAIL = 300


@dataclass(frozen=True)
class CallFacts:
    """What a service is told: which task of which job is to be undone, how, and why.

    Each of `secrets` signs it, the newest first. `allowed` is where the service may be called; empty: anywhere public.
    """

    job_id: UUID
    task_id: UUID
    action: str
    reason: str
    idempotency_key: UUID
    secrets: tuple[str, ...]
    allowed: Set[HostPort] = frozenset()


@dataclass(frozen=True)
class _Received:
    status_code: int
    headers: httpx.Headers
    body: bytes


def send(url: str, facts: CallFacts, *, now: datetime, poll: bool = False, seconds: float = TOTAL_SECONDS) -> Answer:
    """PUT the request to cancel or revert, or (`poll`) GET what came of it.

    Never raises for what the network or the service does. The status decides, but only of an answer that came to its
    end in time: one that breaks off is a failure, which may be retried. A body over 64 KiB is read no further.
    """
    try:
        target = _target(url, facts.allowed)
        body = b"" if poll else _body(facts)
        headers = _common_headers(target) | _headers(facts, body, now)
        received = _exchange("GET" if poll else "PUT", target, headers, body, _backend(facts.allowed, seconds))
    except (AddressRefused, SignatureError, httpcore.LocalProtocolError) as error:
        return Answer(AnswerKind.BLOCKED, detail=_why_blocked(error))
    except httpcore.TimeoutException:
        return Answer(AnswerKind.TRANSIENT, detail=f"No complete answer within {seconds:g} s.")
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        return Answer(AnswerKind.TRANSIENT, detail=_why_broken(error))
    return _answer(url, received, now)


def probe(url: str, *, allowed: Set[HostPort], seconds: float = PROBE_SECONDS) -> bool:
    """Does a GET of this URL answer 2xx, in full and in time? Unsigned, guarded as every call, and never raises."""
    try:
        target = _target(url, allowed)
        received = _exchange("GET", target, _common_headers(target), b"", _backend(allowed, seconds))
    except (AddressRefused, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return False
    except Exception:  # a fault of ours must not end the sweep that asks for many services
        log.exception("probe failed by a fault of ours")
        return False
    return 200 <= received.status_code < 300


def _target(url: str, allowed: Set[HostPort]) -> httpx.URL:
    """The URL, parsed. Raises AddressRefused for one that is not plain http or https, or not on the list."""
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise AddressRefused("This is not a URL.") from None
    if target.scheme not in {"http", "https"} or not target.host:
        raise AddressRefused("Only http and https URLs are called.")
    if target.port is not None and not 0 < target.port < 65536:
        raise AddressRefused("There is no such port.")
    try:
        host = normal_host(target.raw_host.decode("ascii"))
    except ValueError:
        raise AddressRefused("The URL has no valid host name.") from None
    if target.userinfo:
        raise AddressRefused("URLs with a user name or a password are not called.")
    if allowed and not is_listed(allowed, target.scheme, host, target.port):
        raise AddressRefused("The host and port of the URL are not among those where this service may be called.")
    return target


def _backend(allowed: Set[HostPort], seconds: float) -> GuardedBackend:
    """A list is an operator's word: it opens private networks, and no setting opens more than it."""
    unlisted = Reach.ANY if settings.CHOREO_ALLOW_PRIVATE_CALLBACKS else Reach.PUBLIC
    return GuardedBackend(Deadline(seconds), Reach.LISTED if allowed else unlisted)


def _body(facts: CallFacts) -> bytes:
    """The same bytes at every attempt."""
    said = {
        "jobID": str(facts.job_id),
        "taskID": str(facts.task_id),
        "action": str(facts.action),
        "reason": str(facts.reason),
    }
    return json.dumps(said).encode()


def _common_headers(target: httpx.URL) -> dict[str, str]:
    return {
        "host": target.netloc.decode("ascii"),
        "user-agent": "Choreo",
        "accept": "application/json, application/problem+json, */*;q=0.1",
        "accept-encoding": "identity",  # so that 64 KiB are 64 KiB
    }


def _headers(facts: CallFacts, body: bytes, now: datetime) -> dict[str, str]:
    if not facts.secrets:
        raise SignatureError("there is no secret")
    key = str(facts.idempotency_key)
    headers = {
        "correlation-id": str(facts.job_id),
        "request-id": str(facts.task_id),
        "idempotency-key": key,
        **signed_headers(facts.secrets, key, int(now.timestamp()), body),
    }
    return headers | {"content-type": "application/json", "content-length": str(len(body))} if body else headers


def _exchange(
    method: str, target: httpx.URL, headers: dict[str, str], body: bytes, backend: GuardedBackend
) -> _Received:
    """Send one request and read its answer. httpcore knows no redirects and reads no proxy from the environment."""
    where = httpcore.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path or b"/"
    )
    with (
        httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=backend, retries=0) as pool,
        pool.stream(method, where, headers=list(headers.items()), content=body or None) as response,
    ):
        read = bytearray()
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= MAX_BODY:
                break
        return _Received(response.status, httpx.Headers(response.headers), bytes(read[:MAX_BODY]))


@cache
def _ssl_context() -> ssl.SSLContext:
    """Public authorities, or those that SSL_CERT_FILE or SSL_CERT_DIR name; loaded once, for it takes a while."""
    return httpx.create_ssl_context()


def _answer(url: str, received: _Received, now: datetime) -> Answer:
    kind = classify(received.status_code)
    location = received.headers.get("location", "") if kind is AnswerKind.UNDER_WAY else ""
    said = _said(received)
    status = _status_in_words(received.status_code)
    return Answer(
        kind,
        detail=f"{status}: {said}"[:_MAX_DETAIL] if said else status,
        status_code=received.status_code,
        retry_after=parse_retry_after(received.headers.get("retry-after"), now),
        location=poll_location(url, location),
    )


def _status_in_words(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)


def _said(received: _Received) -> str:
    """What a problem object (RFC 9457) gives as its reason, as one line of plain text; empty for any other body."""
    if "json" not in received.headers.get("content-type", ""):
        return ""
    try:
        problem = json.loads(received.body)
    except (ValueError, RecursionError):
        return ""
    texts = [problem.get("detail"), problem.get("title")] if isinstance(problem, dict) else []
    return next((_plain(text) for text in texts if isinstance(text, str)), "")


def _plain(text: str) -> str:
    """Without control, bidi and other invisible characters."""
    cut = text[: 4 * _MAX_DETAIL]
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in cut).split())


def _why_blocked(error: Exception) -> str:
    if isinstance(error, SignatureError):
        return "The service's webhook secret is unusable: rotate it."
    return str(error) if isinstance(error, AddressRefused) else "This URL cannot be called."


def _why_broken(error: Exception) -> str:
    """The system's own words for a failed connection; never those of the peer."""
    cause = error.args[0] if error.args else None  # httpcore wraps it so
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The TLS certificate was not accepted: {cause.verify_message}."[:_MAX_DETAIL]
    if isinstance(cause, ssl.SSLError):
        return "The TLS connection failed."
    if isinstance(cause, OSError) and cause.strerror:
        return f"No connection: {cause.strerror}."[:_MAX_DETAIL]
    return "What came back is no complete HTTP answer."
