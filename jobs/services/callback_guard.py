"""Keeps calls to services where they may go and within their time: see docs/decisions/outbound-guard.md.

Both are done where the socket is made, below HTTP and TLS: the name stays in the URL, in `Host`, in SNI and in the
certificate check, while the connection goes to an address that was resolved once and judged.
"""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from enum import Enum

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL_IPV4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared address space (CGNAT); holds a metadata service (100.100.100.200)
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent: public by number, link-local by effect
        "169.254.0.0/16",  # link-local; holds the metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments; holds a metadata service (192.0.0.192)
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay anycast, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
"""IANA's special-purpose registry for IPv4 with multicast and reserved, whether "globally reachable" or not."""

GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All that IANA hands out as global unicast. What wraps an IPv4 address (mapped, compatible, NAT64) lies outside."""

SPECIAL_IPV6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, AMT, drone identities
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which wraps an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)
"""IANA's special-purpose registry for IPv6, as far as it lies in 2000::/3."""


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How a network without IPv4 of its own reaches public IPv4 addresses, which stand in the last 32 bits (RFC 6052)."""

PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
"""Loopback, private and shared networks: where a service of one's own may well be, if an operator says so."""

METADATA = tuple(
    ipaddress.ip_network(block)
    for block in (
        "100.100.100.200/32",
        "fd00:42::42/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
"""What clouds keep in private ranges for their machines alone: credentials, above all."""


class AddressRefused(Exception):
    """This URL is not called: it leads to a forbidden address, or nowhere. The message is safe to show."""


def is_public(address: Address) -> bool:
    """May a call go there? Only to addresses of the public internet that are set aside for nothing special."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in SPECIAL_IPV4)
    return address in GLOBAL_IPV6 and not any(address in block for block in SPECIAL_IPV6)


class Reach(Enum):
    """Which addresses a call may go to."""

    PUBLIC = "public"
    LISTED = "listed"
    """The URL's host is on the service's list: private networks too, but nothing link-local and no metadata."""
    ANY = "any"
    """CHOREO_ALLOW_PRIVATE_CALLBACKS, and no list."""

    def holds(self, address: Address) -> bool:
        """Is the address within reach?"""
        if self is Reach.ANY or is_public(address):
            return True
        return self is Reach.LISTED and _may_be_listed(address)


def _may_be_listed(address: Address) -> bool:
    if any(address in block for block in METADATA):
        return False
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return any(address in block for block in PRIVATE)


def system_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host as the system resolves it; this also reads hosts like `2130706433` or `0x7f.1`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Deadline:
    """One end for everything that a call does, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        """Seconds until the end; raises `late` when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise late
        return seconds


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write is cut off at the deadline, so that a slow drip gains nothing."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore's, whose own timeout is for one read alone and is not used."""
        return self._inner.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore's. A request of Choreo fits into a socket's buffer, so it is one write."""
        self._inner.write(buffer, self._deadline.left(httpcore.WriteTimeout))

    def close(self) -> None:
        """As httpcore's."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """As httpcore's; the handshake as a whole has to be over by the deadline."""
        left = self._deadline.left(httpcore.ConnectTimeout)
        return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        """As httpcore's."""
        return self._inner.get_extra_info(info)


_OUT_OF_REACH = {
    Reach.PUBLIC: "The URL leads to an address that is not on the public internet.",
    Reach.LISTED: "The URL leads to an address that is never called, even where its host is listed.",
}


class GuardedBackend(httpcore.NetworkBackend):
    """Makes httpcore's connections: to addresses that were judged, and only until the deadline."""

    def __init__(self, deadline: Deadline, reach: Reach) -> None:
        self._deadline = deadline
        self._reach = reach
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of the host that takes one; each has an equal share of what time is left.

        Raises AddressRefused, or httpcore's ConnectError and ConnectTimeout.
        """
        addresses = self._judged(host, port)
        failure: Exception = httpcore.ConnectError("no address")
        for position, address in enumerate(addresses):
            share = self._deadline.left(httpcore.ConnectTimeout) / (len(addresses) - position)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream, self._deadline)
        raise failure

    def _judged(self, host: str, port: int) -> Sequence[str]:
        """The host's addresses, resolved once. One forbidden address among them condemns the name: a split answer is
        what DNS rebinding looks like."""
        addresses = _addresses(host, port, self._deadline.left(httpcore.ConnectTimeout))
        if not all(self._reach.holds(ipaddress.ip_address(each)) for each in addresses):
            raise AddressRefused(_OUT_OF_REACH[self._reach])
        return addresses


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """Resolve in a thread of its own, for the system's resolver knows no deadline; it ends in its own time."""
    answer: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answer.put(system_addresses(host, port))
        except Exception as error:  # for the caller, who would wait in vain if it ended this thread
            answer.put(error)

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if isinstance(found, OSError):
        raise httpcore.ConnectError(found) from found
    if isinstance(found, Exception):  # a name that no resolver takes: an empty label, one that is too long
        raise AddressRefused("The URL has no valid host name.") from found
    return found
