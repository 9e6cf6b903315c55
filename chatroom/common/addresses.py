"""Client addresses: which count as one, and which are local or private. No I/O."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

#: An IPv6 customer has at least a /64, and can use another address of it for each try.
IPV6_GROUP = 64
#: IPv4-mapped IPv6 addresses.
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def parse(address: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4-mapped IPv6 one as IPv4; None: it is none (a Unix socket's)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def network(text: str) -> IPv4Network | IPv6Network:
    """The addresses of a network, or a single one, as `parse` gives them.

    :raises ValueError: it is neither.
    """
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        mapped = found.network_address.ipv4_mapped
        return IPv4Network((str(mapped), found.prefixlen - _MAPPED.prefixlen))
    return found


def group(address: str) -> str:
    """What is counted as one: an IPv4 address, or the /64 of an IPv6 one; else the text itself."""
    parsed = parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_GROUP), strict=False))
    return str(parsed) if parsed else address


def is_loopback(address: str) -> bool:
    """Whether it is of this machine; a Unix socket is."""
    parsed = parse(address)
    return parsed is None or parsed.is_loopback


def is_close(address: str) -> bool:
    """Whether it is of this machine or a private network, where many may share one address."""
    parsed = parse(address)
    return parsed is None or parsed.is_private
