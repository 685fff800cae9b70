"""Twilio's contract (Messages resource), against a server that answers as Twilio documents it."""

import base64
import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from escalation.transports import http
from escalation.transports.base import Message, PermanentError, Receipt, TransientError
from escalation.transports.config import BadTransportUrl, sms_transport
from escalation.transports.console import Console
from escalation.transports.kannel import Kannel
from escalation.transports.twilio import Twilio
from tests.transports.http_peer import Peer, http_peer

MESSAGE = Message(to="+15550100001", text="checkout J1a2b over max TTL. Ack: https://x/ack/y")
CREATED = json.dumps({"sid": "SM0123", "status": "queued"}).encode()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with http_peer() as running:
        running.answer(201, CREATED)
        yield running


def deliver(peer: Peer) -> Receipt:
    return sms_transport(f"twilio://AC1:t%3Aken@+15550100?base_url={peer.url}").deliver(MESSAGE)


def test_the_request_is_what_twilio_documents(peer: Peer) -> None:
    assert deliver(peer) == Receipt("SM0123", "queued")
    (asked,) = peer.asked
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"AC1:t:ken").decode()
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form == {"To": "+15550100001", "From": "+15550100", "Body": MESSAGE.text}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_transient(peer: Peer, status: int) -> None:
    peer.answer(status, b'{"code": 20429, "message": "Too Many Requests"}')
    with pytest.raises(TransientError, match=f"{status}: Too Many Requests 20429"):
        deliver(peer)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_other_refusals_are_permanent(peer: Peer, status: int) -> None:
    peer.answer(status, b'{"code": 21211, "message": "Invalid To"}', Location=f"{peer.url}/elsewhere")
    with pytest.raises(PermanentError, match="21211"):
        deliver(peer)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status": "queued"}', b'{"sid": 7}'])
def test_without_a_sid_nothing_was_accepted(peer: Peer, body: bytes) -> None:
    peer.answer(201, body)
    with pytest.raises(TransientError):
        deliver(peer)


def test_a_message_that_failed_at_once_was_not_accepted(peer: Peer) -> None:
    peer.answer(201, b'{"sid": "SM1", "status": "failed", "error_code": 30007}')
    with pytest.raises(PermanentError, match="30007"):
        deliver(peer)


def test_one_that_hangs_loses_its_turn(peer: Peer) -> None:
    peer.hang = True
    with patch.object(http, "TIMEOUT", 0.2), pytest.raises(TransientError, match="ReadTimeout"):
        deliver(peer)


def test_an_endless_answer_is_cut_off(peer: Peer) -> None:
    peer.answer(201, b" " * 10_000_000)
    with pytest.raises(TransientError):
        deliver(peer)


def test_a_proxy_of_the_environment_is_not_asked(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert deliver(peer).provider_id == "SM0123"


# --- URLs -------------------------------------------------------------------------------------------------------------
def test_urls_make_transports() -> None:
    assert sms_transport("twilio://AC1:tok@+15550100") == Twilio("AC1", "tok", "+15550100")
    assert sms_transport("kannel://u:p%40ss@sms.example:13013/?from=Choreo") == Kannel(
        "http://sms.example:13013", "u", "p@ss", "Choreo"
    )
    assert sms_transport("kannel://u:p@[::1]/?tls=1&from=+1555") == Kannel("https://[::1]:13013", "u", "p", "+1555")
    assert sms_transport("console://") == Console()


@pytest.mark.parametrize(
    "url",
    [
        "twilio://+15550100",
        "twilio://AC1@+15550100",
        "twilio://AC1:secret@",
        "twilio://AC1:secret@+1?base_url=ftp://x",
        "kannel://host:13013/",
        "kannel://u:secret@/",
        "kannel://u:secret@host:port/",
        "smpp://host",
        "nonsense",
        "",
    ],
)
def test_bad_urls_say_why_and_never_tell_a_secret(url: str) -> None:
    with pytest.raises(BadTransportUrl) as caught:
        sms_transport(url)
    assert "secret" not in str(caught.value)


def test_a_transport_never_shows_its_password() -> None:
    for url in ("twilio://AC1:secret@+15550100", "kannel://u:secret@host/"):
        assert "secret" not in repr(sms_transport(url))


def test_the_console_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    Console().deliver(MESSAGE)
    assert MESSAGE.text in capsys.readouterr().out
