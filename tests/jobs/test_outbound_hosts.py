"""The list of hosts where alone a service may be called: what can be on it, and what it opens and shuts."""

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from jobs.domain.callbacks import Answer, AnswerKind
from jobs.domain.errors import Invalid
from jobs.domain.hosts import HostPort, is_listed, normal_host, parse_allowed_hosts
from jobs.models import Call, Service
from jobs.services import callback_guard, outbound
from jobs.services.accounts import allowed_hosts
from jobs.services.callback_guard import Reach, is_public
from jobs.services.outbound import CallFacts, probe, send
from tests.jobs.calls_peer import Behaviour, Peer, drip, hang, raw, reset, running_peer, status
from tests.jobs.calls_scene import outcomes, running_scene


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The names that resolve, and to what."""
    table: dict[str, list[str]] = {}
    monkeypatch.setattr(callback_guard, "system_addresses", lambda host, port: table[host])
    return table


def call(url: str, allowed: str, *, poll: bool = False) -> Answer:
    secrets = ("whsec_" + "QUFB" * 8,)
    facts = CallFacts(uuid4(), uuid4(), "revert", "maxTTL", uuid4(), secrets, parse_allowed_hosts(allowed))
    return send(url, facts, now=datetime.now(UTC), poll=poll, seconds=3.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        (" \r\n\t\n", set()),
        ("pay.example:443", {("pay.example", 443)}),
        ("  Pay.Example:8443 \r\n\r\n10.0.0.7:80\n", {("pay.example", 8443), ("10.0.0.7", 80)}),
        ("[FD00:0:0::1]:8080", {("fd00::1", 8080)}),
        ("bücher.example:443\nBÜCHER.example:80", {("xn--bcher-kva.example", 443), ("xn--bcher-kva.example", 80)}),
        ("xn--bcher-kva.example:443", {("xn--bcher-kva.example", 443)}),
        ("pay\u3002example:80", {("pay.example", 80)}),
        ("pay_1:080", {("pay_1", 80)}),
        ("pay.:80", {("pay.", 80)}),
        ("localhost:1\nlocalhost:65535", {("localhost", 1), ("localhost", 65535)}),
    ],
)
def test_a_list_is_read(text: str, expected: set[HostPort]) -> None:
    assert parse_allowed_hosts(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "pay.example", "pay.example:", ":443", "443", "pay.example:0", "pay.example:65536", "pay.example:https",
        "pay.example:4 43", "pay.example:-1", "pay.example:\u0664\u0664\u0663", "https://pay.example:443",
        "pay.example:443/undo", "user@pay.example:443", "pay example:443", "*.example:443", "*:443", "pay.example:*",
        "10.0.0.0/8:80", "127.1:80", "2130706433:80", "0x7f.1:80", "0177.0.0.1:80", "1.2.3.256:80", "pay.7:80",
        "fd00::1:80", "[fd00::1]", "[fd00::1", "[fe80::1%eth0]:80", "[pay.example]:80", "[]:80", "-pay.example:80",
        "pay..example:80", ".example:80", "pay.exämple\u2024:80", "\uff11\uff12\uff17.0.0.1:80", "xn--\u00fc:80",
        "p" * 64 + ".example:80", "p." * 127 + "pp:80", "pay.example:443,tax.example:443", "pay.example:443 # pay",
    ],
)  # fmt: skip
def test_what_is_no_host_and_port_is_named_with_its_line(line: str) -> None:
    with pytest.raises(Invalid, match=r"^Line 3 cannot be used: .{10,}\.$") as caught:
        parse_allowed_hosts(f"tax.example:443\n\n{line}\n")
    assert line[:90] in str(caught.value)


@given(st.text())
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        listed = parse_allowed_hosts(text)
    except Invalid:
        return
    assert listed or not text.strip()  # what holds anything is never taken as "no list"
    assert all(normal_host(host) == host and 0 < port < 65536 for host, port in listed)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "listed"),
    [
        ("https", "pay.example", None, True),
        ("https", "PAY.example", 443, True),
        ("http", "pay.example", 443, True),
        ("http", "pay.example", None, False),
        ("https", "pay.example", 444, False),
        ("https", "pay.example.", None, False),
        ("https", "sub.pay.example", None, False),
        ("https", "example", None, False),
        ("http", "FD00:0::1", 8080, True),
        ("http", "fd00::2", 8080, False),
        ("http", "127.0.0.1", None, True),
        ("http", "127.1", None, False),
        ("http", "2130706433", None, False),
        ("http", "::ffff:127.0.0.1", None, False),
        ("http", "", None, False),
    ],
)
def test_a_url_is_on_the_list_or_it_is_not(scheme: str, host: str, port: int | None, listed: bool) -> None:
    allowed = parse_allowed_hosts("pay.example:443\n[fd00::1]:8080\n127.0.0.1:80")
    assert is_listed(allowed, scheme, host, port) is listed


@pytest.mark.parametrize("poll", [False, True])
def test_a_listed_private_address_is_called(peer: Peer, poll: bool) -> None:
    """The given URL, the fallback, a registered location and the place of an outcome all come this way."""
    assert call(peer.plays(status(204)), f"127.0.0.1:{peer.port}", poll=poll).kind is AnswerKind.DONE


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1."])
@pytest.mark.parametrize("private_allowed", [False, True])
def test_what_is_not_listed_is_not_called_even_where_it_leads_to_the_same(
    peer: Peer, settings: Settings, host: str, private_allowed: bool
) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = private_allowed
    peer.plays(status(204))
    answer = call(f"http://{host}:{peer.port}/undo", f"127.0.0.1:{peer.port}")
    assert answer.kind is AnswerKind.BLOCKED
    assert peer.connections == []


@pytest.mark.parametrize("private_allowed", [False, True])
def test_a_list_shuts_the_public_internet_too(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, private_allowed: bool
) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = private_allowed
    asked: list[str] = []
    monkeypatch.setattr(callback_guard, "system_addresses", lambda host, port: asked.append(host))
    answer = call("https://other.example/undo", "pay.example:443")
    assert answer == Answer(
        AnswerKind.BLOCKED,
        detail="The host and port of the URL are not among those where this service may be called.",
    )
    assert asked == []  # not even its name is looked up


def test_a_listed_name_is_written_in_any_of_its_ways(peer: Peer, names: dict[str, list[str]]) -> None:
    names["xn--bcher-kva.example"] = ["127.0.0.1"]
    peer.plays(status(204))
    for host in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.EXAMPLE", "bücher\u3002example"):
        assert call(f"http://{host}:{peer.port}/undo", f"bücher.example:{peer.port}").kind is AnswerKind.DONE


NEVER = [
    "0.0.0.0", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "192.0.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe",
    "fd00:42::42", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1", "2001:db8::1",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1",
    "100.127.255.254", "::1", "fc00::1", "fd12:3456::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("private_allowed", [False, True])
def test_a_list_opens_no_metadata_and_nothing_link_local(
    settings: Settings, names: dict[str, list[str]], address: str, private_allowed: bool
) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = private_allowed
    names["pay.example"] = ["10.0.0.1", address]
    answer = call("http://pay.example/undo", "pay.example:80")
    assert answer == Answer(
        AnswerKind.BLOCKED,
        detail="The URL leads to an address that is never called, even where its host is listed.",
    )


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_in_reach_of_a_list_alone(address: str) -> None:
    found = ipaddress.ip_address(address)
    assert Reach.LISTED.holds(found)
    assert not Reach.PUBLIC.holds(found)


def test_a_network_without_ipv4_reaches_what_is_public_there() -> None:
    assert Reach.LISTED.holds(ipaddress.ip_address("64:ff9b::8.8.8.8"))
    assert not Reach.PUBLIC.holds(ipaddress.ip_address("64:ff9b::8.8.8.8"))


@given(st.ip_addresses())
def test_a_list_opens_private_networks_and_nothing_else(address: callback_guard.Address) -> None:
    """Python's own word for it is the oracle: what is neither global nor private nor loopback stays shut."""
    shared = address in ipaddress.ip_network("100.64.0.0/10")
    if Reach.LISTED.holds(address) and not is_public(address):
        assert address.is_private or address in callback_guard.NAT64 or shared
        assert not any([address.is_link_local, address.is_multicast, address.is_unspecified])


@pytest.mark.django_db
def test_every_location_of_a_revert_is_judged_by_the_list() -> None:
    """The URL that the task gave is off the list; the fallback is on it, and so is the place of the outcome."""
    with running_scene() as scene, running_peer() as off:
        scene.service.allowed_hosts = f"127.0.0.1:{scene.peer.port}"
        scene.service.fallback_url = scene.peer.plays(status(202, location="/outcome"), path="/spare")
        scene.service.save()
        scene.peer.plays(status(200), path="/outcome")
        scene.task(revert_url=off.plays(status(200)))
        scene.cancel()
        revert = scene.run_until_settled(Call.objects.get())
        assert outcomes(revert) == [(None, "blocked"), (202, "under-way"), (200, "done")]
        assert off.connections == []


@pytest.mark.parametrize("text", ["nonsense", "pay.example", "pay.example:443\n???"])
def test_a_list_that_cannot_be_read_allows_nothing(peer: Peer, text: str) -> None:
    """Only a list that somebody wrote past the form can be so; to read it as "no list" would open everything."""
    allowed = allowed_hosts(Service(allowed_hosts=text))
    assert allowed
    assert not probe(peer.plays(status(200)), allowed=allowed)
    assert peer.connections == []
    assert allowed_hosts(Service(allowed_hosts=" \n")) == frozenset()


@pytest.mark.parametrize("code", [200, 202, 204, 299])
def test_a_probe_believes_success_alone(peer: Peer, settings: Settings, code: int) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    assert probe(peer.plays(status(code)), allowed=frozenset())
    request = peer.requests[0]
    assert (request.method, request.body) == ("GET", b"")
    assert not {"webhook-signature", "webhook-id", "idempotency-key", "correlation-id"} & request.headers.keys()


@pytest.mark.parametrize(
    "behaviour",
    [
        *[status(code, location="/other") for code in (301, 307, 400, 401, 404, 410, 429, 500, 503)],
        hang,
        reset,
        raw(b""),
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        drip(b"HTTP/1.1 200 OK\r\n", b"x-more: y\r\n"),
    ],
)
def test_a_probe_that_is_not_answered_well_is_a_no(peer: Peer, behaviour: Behaviour) -> None:
    peer.plays(status(200), path="/other")
    allowed = parse_allowed_hosts(f"127.0.0.1:{peer.port}")
    assert not probe(peer.plays(behaviour), allowed=allowed, seconds=0.3)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("url", ["", "ftp://a.example/", "http://u:p@a.example/", "http://127.0.0.1:1/", "http://[::1"])
def test_a_probe_is_guarded_and_never_raises(url: str) -> None:
    assert not probe(url, allowed=frozenset())


def test_a_fault_of_our_own_is_a_no_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(outbound, "_exchange", fail)
    assert not probe("http://pay.example/", allowed=frozenset())
