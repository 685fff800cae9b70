"""The addresses that are set aside for something special, by name: no call goes to any of them unless it is listed."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.services.callback_guard import GLOBAL_IPV6, Address, Reach, is_public

IANA_IPV4 = {
    "this network": "0.0.0.0/8",
    "this host on this network": "0.0.0.0/32",
    "private use, class A": "10.0.0.0/8",
    "shared address space (CGNAT)": "100.64.0.0/10",
    "loopback": "127.0.0.0/8",
    "link local": "169.254.0.0/16",
    "private use, class B": "172.16.0.0/12",
    "IETF protocol assignments": "192.0.0.0/24",
    "IPv4 service continuity": "192.0.0.0/29",
    "IPv4 dummy address": "192.0.0.8/32",
    "port control protocol anycast": "192.0.0.9/32",
    "TURN anycast": "192.0.0.10/32",
    "NAT64/DNS64 discovery, first": "192.0.0.170/32",
    "NAT64/DNS64 discovery, second": "192.0.0.171/32",
    "TEST-NET-1": "192.0.2.0/24",
    "AS112": "192.31.196.0/24",
    "AMT": "192.52.193.0/24",
    "6to4 relay anycast, deprecated": "192.88.99.0/24",
    "6a44 relay anycast": "192.88.99.2/32",
    "private use, class C": "192.168.0.0/16",
    "direct delegation AS112": "192.175.48.0/24",
    "benchmarking": "198.18.0.0/15",
    "TEST-NET-2": "198.51.100.0/24",
    "TEST-NET-3": "203.0.113.0/24",
    "reserved": "240.0.0.0/4",
    "limited broadcast": "255.255.255.255/32",
}
"""IANA's special-purpose registry for IPv4 (RFC 6890, RFC 8190), whether "globally reachable" or not."""

IANA_IPV6 = {
    "IPv6 loopback": "::1/128",
    "IPv6 unspecified": "::/128",
    "IPv4-mapped": "::ffff:0:0/96",
    "IPv4-IPv6 translation (NAT64)": "64:ff9b::/96",
    "local-use IPv4-IPv6 translation": "64:ff9b:1::/48",
    "discard only": "100::/64",
    "dummy IPv6 prefix": "100:0:0:1::/64",
    "IPv6 protocol assignments": "2001::/23",
    "Teredo": "2001::/32",
    "IPv6 port control protocol anycast": "2001:1::1/128",
    "IPv6 TURN anycast": "2001:1::2/128",
    "DNS-SD registration anycast": "2001:1::3/128",
    "IPv6 benchmarking": "2001:2::/48",
    "IPv6 AMT": "2001:3::/32",
    "IPv6 AS112": "2001:4:112::/48",
    "ORCHID, deprecated": "2001:10::/28",
    "ORCHIDv2": "2001:20::/28",
    "drone remote ID": "2001:30::/28",
    "IPv6 documentation": "2001:db8::/32",
    "6to4": "2002::/16",
    "IPv6 direct delegation AS112": "2620:4f:8000::/48",
    "IPv6 documentation, second": "3fff::/20",
    "segment routing": "5f00::/16",
    "unique local": "fc00::/7",
    "IPv6 link local": "fe80::/10",
}
"""IANA's special-purpose registry for IPv6."""

OTHERS = {
    "IPv4 multicast": "224.0.0.0/4",
    "IPv4-compatible, deprecated": "::/96",
    "IPv4-translated (SIIT)": "::ffff:0:0:0/96",
    "6bone, given back": "3ffe::/16",
    "site local, deprecated": "fec0::/10",
    "IPv6 multicast": "ff00::/8",
    "unassigned below 2000::/3": "200::/7",
    "unassigned above 2000::/3": "4000::/3",
    "metadata of most clouds": "169.254.169.254/32",
    "metadata of ECS tasks": "169.254.170.2/32",
    "metadata of Alibaba Cloud": "100.100.100.200/32",
    "metadata of Oracle Cloud, classic": "192.0.0.192/32",
    "host agent of Azure": "168.63.129.16/32",
    "metadata of AWS over IPv6": "fd00:ec2::254/128",
    "metadata of Google Cloud over IPv6": "fd20:ce::254/128",
}
"""What the registries leave out, and where clouds keep what no stranger may ask for."""

SPECIAL = IANA_IPV4 | IANA_IPV6 | OTHERS

PUBLIC = [
    "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0",
    "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2000::", "2001:200::", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1",
    "2606:4700:4700::1111", "2620:4f:7fff:ffff::1", "2620:4f:8001::1", "2a00:1450::1", "3ffd::1", "3fff:1000::1",
]  # fmt: skip
"""Among them the first address below and above each range: a range that is too wide cuts services off."""


@pytest.mark.parametrize("name", SPECIAL)
def test_no_address_set_aside_for_something_special_is_public(name: str) -> None:
    network = ipaddress.ip_network(SPECIAL[name])
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert not is_public(address), address
        assert not Reach.PUBLIC.holds(address), address


def test_the_table_is_whole() -> None:
    assert len(IANA_IPV4) + len(IANA_IPV6) > 34
    assert len(set(SPECIAL.values())) == len(SPECIAL) == len(IANA_IPV4) + len(IANA_IPV6) + len(OTHERS)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.ip_addresses(network=str(GLOBAL_IPV6)))
def test_nothing_that_python_calls_local_passes(address: Address) -> None:
    """An oracle that is not ours; it lets more through than we do, never less."""
    assert address.is_global or not is_public(address)


def mapped(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(f"::ffff:{inner}")


def compatible(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(f"::{inner}")


def translated(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(f"::ffff:0:{inner}")


def nat64(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(f"64:ff9b::{inner}")


def local_nat64_48(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    """As RFC 6052 has it for a prefix of 48 bits: around bits 64 to 71, which stay zero."""
    first, second = int(inner) >> 16, int(inner) & 0xFFFF
    prefix = int(ipaddress.IPv6Address("64:ff9b:1::"))
    return ipaddress.IPv6Address(prefix | first << 64 | second << 40)


def local_nat64_96(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(f"64:ff9b:1:ffff::{inner}")


def six_to_four(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(0x2002 << 112 | int(inner) << 80 | 1)


def teredo(inner: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    """The client's address stands inverted in the last 32 bits (RFC 4380)."""
    return ipaddress.IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | int(inner) ^ 0xFFFFFFFF)


WRAPPERS = [mapped, compatible, translated, nat64, local_nat64_48, local_nat64_96, six_to_four, teredo]
INSIDE = st.sampled_from(["0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"])


@given(st.sampled_from(WRAPPERS), st.ip_addresses(v=4) | INSIDE.flatmap(lambda block: st.ip_addresses(network=block)))
def test_no_ipv4_address_hides_in_an_ipv6_one(
    wrap: Callable[[ipaddress.IPv4Address], ipaddress.IPv6Address], inner: ipaddress.IPv4Address
) -> None:
    assert not is_public(wrap(inner))
    if not is_public(inner):
        assert not Reach.LISTED.holds(wrap(inner))  # a list opens it by its own address, and by no other


def test_the_wrappers_wrap() -> None:
    inner = ipaddress.IPv4Address("127.0.0.1")
    assert mapped(inner).ipv4_mapped == six_to_four(inner).sixtofour == inner
    assert teredo(inner).teredo == (ipaddress.IPv4Address("8.8.8.8"), inner)
    assert str(local_nat64_48(inner)) == "64:ff9b:1:7f00:0:100::"
