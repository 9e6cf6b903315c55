"""Whom a request comes from, and by which scheme: a proxy's word counts only if it is trusted."""

from __future__ import annotations

from collections.abc import Sequence

from chatroom import addresses
from chatroom.parsers import Network


class Proxies:
    """What is believed of the headers that proxies add.

    :param trusted: addresses of the proxies; nobody else's headers are believed.
    """

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Where a request comes from: the nearest hop that is no trusted proxy.

        :param peer: the connection's other end.
        :param forwarded_for: the ``X-Forwarded-For`` headers. Each proxy adds at the right whom it
            was asked by, and what stands further left may be anybody's invention.
        """
        hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
        nearest = peer
        while hops and self.trusts(nearest):
            hop = addresses.parse(hops.pop())
            if hop is None:
                break
            nearest = str(hop)
        return nearest

    def is_secure(self, peer: str, forwarded_proto: Sequence[str]) -> bool:
        """Whether the client came to a trusted proxy by TLS.

        :param forwarded_proto: the ``X-Forwarded-Proto`` headers.
        """
        if not (forwarded_proto and self.trusts(peer)):
            return False
        return forwarded_proto[-1].rpartition(",")[2].strip().lower() == "https"

    def trusts(self, peer: str) -> bool:
        """Whether a connection comes from a trusted proxy."""
        address = addresses.parse(peer)
        return address is not None and any(address in network for network in self._trusted)
