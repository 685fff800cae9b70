"""One call to a service, against a real server with every manner that a service may have."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.services.outbound import MAX_BODY, CallFacts, send
from tests.jobs.calls_peer import Behaviour, Peer, drip, hang, raw, reset, running_peer, status

K = AnswerKind
SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZg=="
FACTS = CallFacts(uuid4(), uuid4(), "revert", "maxTTL", uuid4(), (SECRET,))


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_peer() as running:
        yield running


def call(url: str, *, facts: CallFacts = FACTS, poll: bool = False, seconds: float = 3.0) -> Answer:
    return send(url, facts, now=datetime.now(UTC), poll=poll, seconds=seconds)


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"),
    [
        (status(200, b"undone"), K.DONE, 200),
        (status(204), K.DONE, 204),
        (status(202), K.UNDER_WAY, 202),
        (status(404), K.NOTHING, 404),
        (status(410), K.NOTHING, 410),
        (status(409), K.REFUSED, 409),
        (status(400), K.REFUSED, 400),
        (status(401), K.REFUSED, 401),
        (status(408), K.TRANSIENT, 408),
        (status(429), K.TRANSIENT, 429),
        (status(500), K.TRANSIENT, 500),
        (status(503), K.TRANSIENT, 503),
        (raw(b"HTTP/1.1 599 Odd\r\n\r\n"), K.TRANSIENT, 599),
        (raw(b"HTTP/1.0 200 OK\r\n\r\n"), K.DONE, 200),
        (raw(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), K.DONE, 200),
        (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), K.TRANSIENT, None),
        (raw(b"\x00\xff" * 1000), K.TRANSIENT, None),
        (raw(b""), K.TRANSIENT, None),
        (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"), K.TRANSIENT, None),
        (raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), K.TRANSIENT, None),
        (raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), K.TRANSIENT, None),
        (reset, K.TRANSIENT, None),
    ],
)
def test_what_an_answer_means(peer: Peer, behaviour: Behaviour, kind: AnswerKind, code: int | None) -> None:
    answer = call(peer.plays(behaviour))
    assert (answer.kind, answer.status_code) == (kind, code)
    assert answer.detail
    assert len(peer.requests) == 1


def test_redirects_are_not_followed(peer: Peer) -> None:
    peer.plays(status(200), path="/elsewhere")
    for code in (301, 302, 303, 307, 308):
        assert call(peer.plays(status(code, location=peer.url("/elsewhere")))).kind is K.REFUSED
    assert {request.path for request in peer.requests} == {"/undo"}


def test_a_closed_port_is_a_failed_connection() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can get the port meanwhile
        taken.bind(("127.0.0.1", 0))
        answer = send(f"http://127.0.0.1:{taken.getsockname()[1]}/", FACTS, now=datetime.now(UTC), seconds=2.0)
    assert answer.kind in {K.TRANSIENT, K.BLOCKED}


def test_a_refused_connection_is_told_in_the_systems_words(peer: Peer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = call(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert answer == Answer(K.TRANSIENT, detail="No connection: Connection refused.")


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\n", b"x-more: y\r\n"),
        drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"."),
        drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["hang", "status", "headers", "body", "chunks", "continue"],
)
def test_the_time_limit_is_for_all_of_a_call(peer: Peer, behaviour: Behaviour) -> None:
    began = time.monotonic()
    answer = call(peer.plays(behaviour), seconds=0.3)
    assert time.monotonic() - began < 1.5
    assert answer == Answer(K.TRANSIENT, detail="No complete answer within 0.3 s.")


def test_a_huge_body_is_read_no_further_than_64_kib(peer: Peer) -> None:
    endless = drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    began = time.monotonic()
    assert call(peer.plays(endless), seconds=5).kind is K.DONE
    assert time.monotonic() - began < 4


def test_a_body_of_64_kib_less_one_is_read_whole(peer: Peer) -> None:
    detail = "x" * (MAX_BODY - 100)
    body = json.dumps({"detail": detail}).encode()
    answer = call(peer.plays(status(409, body, content_type="application/problem+json")))
    assert answer.detail == ("409 Conflict: " + detail)[:300]


def test_retry_after_and_location_are_read(peer: Peer) -> None:
    assert call(peer.plays(status(503, retry_after="7"))).retry_after == 7.0
    answer = call(peer.plays(status(202, location="/undo/outcome?id=1", retry_after="2")))
    assert (answer.location, answer.retry_after) == (peer.url("/undo/outcome?id=1"), 2.0)
    assert call(peer.plays(status(201, location="/made"))).location == ""


def test_the_request_is_the_contracts(peer: Peer) -> None:
    call(peer.plays(status(204)))
    request = peer.requests[0]
    assert request.method == "PUT"
    assert json.loads(request.body) == {
        "jobID": str(FACTS.job_id),
        "taskID": str(FACTS.task_id),
        "action": "revert",
        "reason": "maxTTL",
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["correlation-id"] == str(FACTS.job_id)
    assert request.headers["request-id"] == str(FACTS.task_id)
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == str(FACTS.idempotency_key)
    assert request.headers["host"] == f"127.0.0.1:{peer.port}"


@pytest.mark.parametrize("poll", [False, True])
def test_the_signature_is_the_standards(peer: Peer, poll: bool) -> None:
    call(peer.plays(status(204)), poll=poll)
    request = peer.requests[0]
    assert request.method == ("GET" if poll else "PUT")
    assert (request.body == b"") is poll
    Webhook(SECRET).verify(request.body, request.headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "QUFB" * 8).verify(request.body, request.headers, json_parse=False)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_",), ("whsec_%%%",), (SECRET, "whsec_%%%")])
def test_what_cannot_be_signed_is_not_sent(peer: Peer, secrets: tuple[str, ...]) -> None:
    facts = CallFacts(uuid4(), uuid4(), "cancel", "cancellation", uuid4(), secrets)
    answer = call(peer.plays(status(204)), facts=facts)
    assert answer.kind is K.BLOCKED
    assert "secret" in answer.detail
    assert peer.requests == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"detail": "The parcel has left.", "title": "Too late"}', ": The parcel has left."),
        (b'{"title": "Too late"}', ": Too late"),
        (b'{"detail": "a\\u0000b\\n\\u202ec\\u200b <script>"}', ": a b c <script>"),
        (b'{"detail": 7}', ""),
        (b'["detail"]', ""),
        (b"{", ""),
        (b"\xff\xfe", ""),
        (b"[" * 60_000, ""),
        (b'{"detail": "\\ud800x"}', ": x"),
        (b'{"n": ' + b"9" * 5000 + b"}", ""),
    ],
)
def test_a_services_own_words_are_kept_as_plain_text(peer: Peer, body: bytes, said: str) -> None:
    answer = call(peer.plays(status(409, body, content_type="application/problem+json")))
    assert answer.detail == "409 Conflict" + said


def test_a_page_of_html_says_nothing(peer: Peer) -> None:
    answer = call(peer.plays(status(502, b"<h1>secret</h1>", content_type="text/html")))
    assert answer.detail == "502 Bad Gateway"
