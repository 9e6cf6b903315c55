"""What a client's address says: whom to count together, and who is close by. No I/O."""

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

#: An IPv6 customer has at least a /64, and can take another address of it for each try.
IPV6_GROUP = 64
#: IPv4 addresses in IPv6's clothes.
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def parse(address: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one in IPv6's clothes as IPv4; None: none, such as of a Unix socket."""
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
    """Whom to count together: an IPv4 address, or the /64 of an IPv6 one; else as it is."""
    parsed = parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_GROUP), strict=False))
    return str(parsed) if parsed else address


def is_loopback(address: str) -> bool:
    """Whether it comes from this machine; so does what came by a Unix socket."""
    parsed = parse(address)
    return parsed is None or parsed.is_loopback


def is_close(address: str) -> bool:
    """Whether it comes from this machine or a private network, where many may share one address."""
    parsed = parse(address)
    return parsed is None or parsed.is_private
