"""Who a request comes from and whom it asks for, as far as its headers are believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

from chatroom.common import addresses
from chatroom.config.option_parsers import Network

#: What proxies write for a client: an address, IPv6 also in brackets, with or without a port.
_HOP: Final = re.compile(
    r"(?P<v4>[\d.]+)(?::\d+)?|\[(?P<bracketed>[0-9a-f:.%]+)\](?::\d+)?|(?P<v6>[0-9a-f:.%]+)",
    re.IGNORECASE | re.ASCII,
)
#: RFC 9110, 7.2: what a ``Host`` header may be, an IPv6 address in brackets.
_HOST: Final = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d*)?", re.I | re.A
)

ADVICE: Final = (
    "Another site's page could use this server through its visitors' browsers (DNS rebinding):"
    " name the host that browsers ask for with --web-host, such as --web-host chat.example.org"
)

_log = Logger()


class Proxies:
    """The client's address and scheme behind a proxy, which is believed only if it is trusted.

    :param trusted: addresses of the proxies; nobody else's headers are believed.
    """

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._has_warned = False

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The client's address: the nearest hop that is no trusted proxy.

        :param peer: the connection's other end.
        :param forwarded_for: the ``X-Forwarded-For`` headers. Each proxy adds at the right whom it
            was asked by, and what stands further left may be anybody's invention.
        """
        hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
        if not any(hops) and self.trusts(peer):
            self._warn(peer, "sends no X-Forwarded-For")
        nearest = peer
        while hops and self.trusts(nearest):
            hop = hops.pop()
            address = _address_in(hop)
            if address is None:
                self._warn(peer, f"sends an X-Forwarded-For with {hop[:50]!r} in it")
                break
            nearest = address
        return nearest

    def _warn(self, proxy: str, what: str) -> None:
        """Log once that a proxy does not tell its clients' addresses."""
        if not self._has_warned:
            self._has_warned = True
            _log.warn(
                "The proxy {proxy} {what}: where it does, its clients count as one, for limits,"
                " bans and the log. Have it send each client's address",
                proxy=proxy,
                what=what,
            )

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


def _address_in(hop: str) -> str | None:
    match = _HOP.fullmatch(hop)
    if match is None:
        return None
    address = addresses.parse(match["v4"] or match["bracketed"] or match["v6"])
    return None if address is None else str(address)


class Hosts:
    """What the server may be called in requests: this prevents DNS rebinding.

    A page elsewhere can have its own name point at this server, and then asks here from its
    visitor's browser as if it were the server's own page: ``Host`` and ``Origin`` agree. Only a
    name gives that away, so a browser that names neither an address nor a name of the server's own
    is refused.

    :param names: the host names that ``--web-host`` gives, in lower case. Without any, other names
        are taken too, but not on a connection to a loopback address that no trusted proxy made.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = frozenset(names)

    def allow(self, host: str, own_address: str, *, by_proxy: bool) -> bool:
        """Whether a request may be answered.

        :param host: its ``Host`` header; a program that gives none is no browser.
        :param own_address: the address of ours to which the connection was made; no browser gets at
            a Unix socket, which has none.
        :param by_proxy: whether a trusted proxy made it.
        """
        if not host:
            return True
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = (match["v6"] or match["name"]).lower().removesuffix(".")
        if addresses.parse(name) is not None or name == "localhost" or name.endswith(".localhost"):
            return True
        if self._names:
            return name in self._names
        own = addresses.parse(own_address)
        return by_proxy or own is None or not own.is_loopback
