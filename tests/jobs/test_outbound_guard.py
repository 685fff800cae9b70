"""No call leaves the public internet, whatever a URL, a name or an environment says."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.services import callback_guard, outbound
from jobs.services.callback_guard import GLOBAL_IPV6, is_public
from jobs.services.outbound import CallFacts, send
from tests.jobs.calls_peer import Peer, running_peer, status

PEM = Path(__file__).with_name("service.test.pem")
FACTS = CallFacts(uuid4(), uuid4(), "revert", "maxTTL", uuid4(), "whsec_" + "QUFB" * 8)

SPECIAL = [
    # IANA's special-purpose address registries (RFC 6890, RFC 8190), each with its neighbours of the same kind
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48",
    "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16",
    "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    # where clouds keep what no stranger may ask for
    "169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",
    "fd00:ec2::254/128", "fd20:ce::254/128",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2001:4860:4860::8888",
    "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700:4700::1111", "2620:4f:8001::1", "2a00:1450::1", "3ffd::1",
]  # fmt: skip


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


@pytest.mark.parametrize("block", SPECIAL)
def test_special_use_addresses_are_not_public(block: str) -> None:
    network = ipaddress.ip_network(block)
    for address in {network[0], network[-1], network[network.num_addresses // 2]}:
        assert not is_public(address), address


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.ip_addresses(network=str(GLOBAL_IPV6)))
def test_nothing_that_python_calls_local_passes(address: callback_guard.Address) -> None:
    """An oracle that is not ours; it lets more through than we do, never less."""
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}"]))
def test_no_ipv4_address_hides_in_an_ipv6_one(address: ipaddress.IPv4Address, wrap: str) -> None:
    assert not is_public(ipaddress.ip_address(wrap.format(address)))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0", "localhost", "LOCALHOST",
        "[::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1%25lo]", "10.0.0.1", "%31%32%37.1",
        "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021",  # full-width digits, ideographic full stops
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
        "http://service.test/\r\nx: y", "http://service.test\\@127.0.0.1/", "http://..",
        "http://" + "a" * 64 + ".test/",
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


def test_a_name_is_resolved_once_and_its_checked_address_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch, peer: Peer, names: dict[str, list[list[str]]]
) -> None:
    """DNS rebinding: the first answer is public, every later one is the peer on the loopback."""
    names["service.test"] = [["198.41.0.4"], ["127.0.0.1"]]
    called: list[str] = []

    def connect(self: object, host: str, *args: object) -> None:
        called.append(host)
        raise httpcore.ConnectError("unreachable")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    assert call(f"http://service.test:{peer.port}/undo").kind is AnswerKind.TRANSIENT
    assert called == ["198.41.0.4"]
    assert len(names["service.test"]) == 1  # only its first answer was asked for
    assert peer.connections == []


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
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_no_proxy_of_the_environment_is_used(peer: Peer, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    peer.plays(status(200))
    assert call(peer.url()).kind is AnswerKind.DONE


@pytest.fixture
def tls_peer(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Peer, list[str | None]]]:
    """The peer behind TLS with a certificate for service.test, which is trusted; and the names that SNI asked for."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    peer.server.socket = context.wrap_socket(peer.server.socket, server_side=True, do_handshake_on_connect=False)
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
