"""Where a service may be called, as an operator writes it down: one `host:port` a line, compared letter by letter.

A host has one spelling here: IDNA names in their ASCII form, all in lower case, IPv6 without brackets and as short as
it goes. Nothing is guessed: `127.1` is no host, `pay.example.` and `pay.example` are two (RFC 1034 section 3.1: the
first one is looked up without the search domains of the network), and there are no patterns.
"""

import ipaddress
import re
from collections.abc import Set

import idna

from jobs.domain.errors import Invalid

HostPort = tuple[str, int]
"""A host in its one spelling, and a port."""

DEFAULT_PORTS = {"http": 80, "https": 443}
_LINE = re.compile(r"(\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@?#\s]+)):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*\.?")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""What resolvers read as an IPv4 address, in forms such as 127.1 and 0x7f000001 (WHATWG URL, "ends in a number")."""


def parse_allowed_hosts(text: str) -> frozenset[HostPort]:
    """The hosts and ports that are listed; empty for blank text, which means that there is no list.

    Raises Invalid, which names the line and what is wrong with it.
    """
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return frozenset(_listed(number, line) for number, line in lines if line)


def is_listed(allowed: Set[HostPort], scheme: str, host: str, port: int | None) -> bool:
    """Is a URL's host (IPv6 without its brackets) on the list? Without a port, it is the scheme's own."""
    try:
        return (normal_host(host), port or DEFAULT_PORTS[scheme]) in allowed
    except ValueError:  # a spelling that no list can hold
        return False


def normal_host(host: str) -> str:
    """The one spelling of a host, IPv6 without brackets. Raises ValueError for what is no host."""
    if ":" in host:
        if "%" in host:  # a zone means something on one machine only
            raise ValueError("an address with a zone")
        return str(ipaddress.IPv6Address(host))
    name = host.lower() if host.isascii() else idna.encode(host.lower()).decode("ascii")
    if _ENDS_IN_A_NUMBER.fullmatch(name):
        return str(ipaddress.IPv4Address(name))
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    return name


def _listed(number: int, line: str) -> HostPort:
    found = _LINE.fullmatch(line)
    if found is None:
        raise _unusable(number, line, "It must be host:port, such as pay.example:443 or [fd00::1]:8080")
    if not 0 < int(found["port"]) < 65536:
        raise _unusable(number, line, "A port is a number from 1 to 65535")
    try:
        return normal_host(found["address"] or found["name"]), int(found["port"])
    except ValueError:
        raise _unusable(number, line, "The host must be a name, or an address written in full") from None


def _unusable(number: int, line: str, why: str) -> Invalid:
    shown = line if len(line) <= 100 else f"{line[:99]}…"
    return Invalid(f"Line {number} cannot be used: {shown!r}. {why}.")
