"""No call leaves the public internet, whatever a URL, a name or an environment says."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import httpcore
import pytest
from pytest_django import Settings

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.services import callback_guard, outbound
from jobs.services.outbound import CallFacts, send
from tests.jobs.calls_peer import PEM, Peer, behind_tls, running_peer, status

FACTS = CallFacts(uuid4(), uuid4(), "revert", "maxTTL", uuid4(), ("whsec_" + "QUFB" * 8,))


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as running:
        yield running


@pytest.fixture
def private_allowed(settings: Settings) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """The names that resolve, each with the answers that it gives in turn, the last one for ever."""
    table: dict[str, list[list[str]]] = {}

    def resolve(host: str, port: int) -> list[str]:
        answers = table[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(callback_guard, "system_addresses", resolve)
    return table


def call(url: str, seconds: float = 3.0) -> Answer:
    return send(url, FACTS, now=datetime.now(UTC), seconds=seconds)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.1", "127.1", "2130706433", "0x7f000001", "0X7F000001", "017700000001", "0x7f.1",
        "0x7f.0.0.1", "0177.0.0.1", "0177.1", "00000177.1", "127.0.0.0x1", "0", "0x0", "0.0.0.0", "127.255.255.254",
        "localhost", "LOCALHOST", "LocalHost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::127.0.0.1]", "[::7f00:1]",
        "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]", "[2001:0:808:808::80ff:fffe]", "169.254.169.254", "2852039166", "0xa9fea9fe",
        "[fd00:ec2::254]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]", "10.0.0.1", "012.1",
        "@127.0.0.1", ":@127.0.0.1", "service.test@127.0.0.1", "service.test:80@127.0.0.1", "%31%32%37.1",
        "127.0.0.1%00.service.test", "127.0.0.1%2eservice.test", "127.0.0.1\u2024service.test",
        "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1", "127\uff610\uff610\uff611",
        "\u2460\u2461\u2466.0.0.1", "\u0661\u0662\u0667.0.0.1",  # digits in circles, and Arabic ones
    ],
)  # fmt: skip
def test_no_spelling_of_a_private_address_is_called(peer: Peer, host: str) -> None:
    answer = call(f"http://{host}:{peer.port}/undo")
    assert peer.connections == []
    assert answer.kind is AnswerKind.BLOCKED


@pytest.mark.parametrize(
    "url",
    [
        "", "undo", "/undo", "//service.test/undo", "ftp://service.test/undo", "file:///etc/passwd", "unix:///run/s",
        "gopher://service.test/", "http://", "http:///undo", "http://user@service.test/", "http://u:p@service.test/",
        "http://service.test:0/", "http://service.test:65536/", "http://service.test:x/", "http://[::1/", "http://a b/",
        "http://service.test/\r\nx: y", "http://service.test\\@127.0.0.1/", "http://..", "http://.", "http://:80/",
        "http://?x", "http://#x", "http://service.test@127.0.0.1/",
        "http://service.test:-1/", "http://service.test:8 0/", "http://service.test:0x50/",
        "http://service.test:99999999999999999999/", "http://127.0.0.1:80:80/",
        "http://\u202eservice.test/", "http://service.test\u0000.example/", "http://service\u00adtest\u200b/",
        "http://[127.0.0.1]/", "http://[::1]x/", "http://[v1.x]/", "http:service.test", "HTTP:/127.0.0.1/",
        "javascript:x", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://127.0.0.1./",
        "ws://service.test/", "h2c://service.test/", "http+unix://%2Frun%2Fs/", "data:,x",
        "http://" + "a" * 64 + ".test/", "http://" + "a." * 200 + "test/",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("private_allowed")
def test_what_is_not_a_plain_http_url_is_not_called(url: str) -> None:
    answer = call(url)
    assert answer.kind is AnswerKind.BLOCKED
    assert answer.detail


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::1", "2606:4700::1"]])
def test_one_private_address_condemns_a_name(
    peer: Peer, names: dict[str, list[list[str]]], addresses: list[str]
) -> None:
    names["service.test"] = [addresses]
    assert call(f"http://service.test:{peer.port}/undo").kind is AnswerKind.BLOCKED
    assert peer.connections == []


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses to which a connection is made; none comes about, as nothing is to leave this machine."""
    addresses: list[str] = []

    def connect(self: object, host: str, *args: object) -> None:
        addresses.append(host)
        raise httpcore.ConnectError("unreachable")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return addresses


def test_a_name_is_resolved_once_and_its_checked_address_is_the_one_that_is_called(
    called: list[str], names: dict[str, list[list[str]]]
) -> None:
    """DNS rebinding: the first answer is public, every later one is the loopback."""
    names["service.test"] = [["198.41.0.4"], ["127.0.0.1"]]
    assert call("http://service.test/undo").kind is AnswerKind.TRANSIENT
    assert called == ["198.41.0.4"]
    assert len(names["service.test"]) == 1  # only its first answer was asked for


def test_every_call_is_judged_by_the_answer_that_it_gets(called: list[str], names: dict[str, list[list[str]]]) -> None:
    """A name that was public at the first attempt, and is private at the second."""
    names["service.test"] = [["198.41.0.4"], ["127.0.0.1"]]
    assert call("http://service.test/undo").kind is AnswerKind.TRANSIENT
    assert call("http://service.test/undo").kind is AnswerKind.BLOCKED
    assert called == ["198.41.0.4"]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("localhost.", "127.0.0.1"),
        ("localhost.localdomain", "127.0.0.1"),
        ("anything.localhost", "::1"),
        ("ip6-loopback", "::1"),
        ("metadata.google.internal", "169.254.169.254"),
        ("metadata", "fd20:ce::254"),
        ("link.local", "fe80::1%lo"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.0.0.1.nip.example", "127.0.0.1"),
        ("xn--bcher-kva.example", "10.0.0.1"),
    ],
)
def test_it_is_the_address_that_counts_and_not_the_name(
    peer: Peer, names: dict[str, list[list[str]]], name: str, address: str
) -> None:
    names[name] = [[address]]
    assert call(f"http://{name}:{peer.port}/undo").kind is AnswerKind.BLOCKED
    assert peer.connections == []


@pytest.mark.usefixtures("private_allowed")
@pytest.mark.parametrize("code", [300, 301, 302, 303, 305, 307, 308])
def test_a_redirect_leads_nowhere(peer: Peer, code: int) -> None:
    with running_peer() as other:
        answer = call(peer.plays(status(code, location=other.plays(status(200)), refresh=f"0;url={other.url()}")))
        assert answer.kind is AnswerKind.REFUSED
        assert other.connections == []
    assert len(peer.requests) == 1


@pytest.mark.usefixtures("private_allowed")
def test_host_keeps_the_name_and_the_port(peer: Peer, names: dict[str, list[list[str]]]) -> None:
    names["service.test"] = [["127.0.0.1"]]
    peer.plays(status(204))
    assert call(f"http://service.test:{peer.port}/undo?x=1").kind is AnswerKind.DONE
    assert peer.requests[0].headers["host"] == f"service.test:{peer.port}"
    assert peer.requests[0].path == "/undo?x=1"


@pytest.mark.usefixtures("private_allowed")
def test_an_address_that_does_not_answer_leaves_the_next_one_its_turn(
    peer: Peer, names: dict[str, list[list[str]]]
) -> None:
    names["service.test"] = [["127.0.0.2", "127.0.0.1"]]  # the peer listens on the second alone
    peer.plays(status(204))
    assert call(f"http://service.test:{peer.port}/undo").kind is AnswerKind.DONE


def test_a_resolver_that_hangs_costs_no_more_than_the_call_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(host: str, port: int) -> list[str]:
        time.sleep(1.5)
        return ["1.1.1.1"]

    monkeypatch.setattr(callback_guard, "system_addresses", hang)
    began = time.monotonic()
    assert call("http://service.test/", seconds=0.2).kind is AnswerKind.TRANSIENT
    assert time.monotonic() - began < 1


@pytest.mark.usefixtures("private_allowed")
def test_a_name_that_does_not_exist_may_exist_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(callback_guard, "system_addresses", fail)
    answer = call("http://service.test/")
    assert (answer.kind, answer.detail) == (AnswerKind.TRANSIENT, "No connection: Name or service not known.")


@pytest.mark.usefixtures("private_allowed")
@pytest.mark.parametrize("scheme", ["http", "socks5", ""])
def test_no_proxy_of_the_environment_sees_the_call(peer: Peer, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with running_peer() as proxy:
        address = f"{scheme}://127.0.0.1:{proxy.port}" if scheme else f"127.0.0.1:{proxy.port}"
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, address)
            monkeypatch.setenv(variable.lower(), address)
        assert call(peer.plays(status(200))).kind is AnswerKind.DONE
        assert call(peer.url().replace("http:", "https:")).kind is AnswerKind.TRANSIENT
        assert proxy.connections == []
    assert len(peer.requests) == 1


def test_no_exception_from_a_proxy_is_an_exception_from_the_guard(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert call(peer.plays(status(200))).kind is AnswerKind.BLOCKED
    assert peer.connections == []


@pytest.fixture
def tls_peer(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Peer, list[str | None]]]:
    """The peer behind TLS with a certificate for service.test, which is trusted; and the names that SNI asked for."""
    asked: list[str | None] = []
    behind_tls(peer).sni_callback = lambda sock, name, ctx: asked.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    outbound._ssl_context.cache_clear()
    yield peer, asked
    outbound._ssl_context.cache_clear()


@pytest.mark.usefixtures("private_allowed")
def test_tls_checks_the_name_and_not_the_address(
    tls_peer: tuple[Peer, list[str | None]], names: dict[str, list[list[str]]]
) -> None:
    peer, asked = tls_peer
    peer.plays(status(200))
    names["service.test"] = names["other.test"] = [["127.0.0.1"]]
    assert call(f"https://service.test:{peer.port}/undo").kind is AnswerKind.DONE
    refused = call(f"https://other.test:{peer.port}/undo")
    assert refused.kind is AnswerKind.TRANSIENT
    assert "Hostname mismatch" in refused.detail
    assert asked == ["service.test", "other.test"]
    assert len(peer.requests) == 1


@pytest.mark.usefixtures("private_allowed")
def test_tls_refuses_a_certificate_that_nobody_vouches_for(
    tls_peer: tuple[Peer, list[str | None]], names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    outbound._ssl_context.cache_clear()
    names["service.test"] = [["127.0.0.1"]]
    answer = call(f"https://service.test:{tls_peer[0].port}/undo")
    assert answer.kind is AnswerKind.TRANSIENT
    assert "certificate" in answer.detail
    assert tls_peer[0].requests == []
