"""The host names that the page answers to: this prevents DNS rebinding.

A page elsewhere can have its own name point at this server, and then asks here from its visitor's
browser as if it were the server's own page: ``Host`` and ``Origin`` agree. Only a name gives that
away, so a browser that names neither an address nor a name of the server's own is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from chatroom.common import addresses

#: RFC 9110, 7.2: what a ``Host`` header may be, an IPv6 address in brackets.
_HOST: Final = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d*)?", re.I | re.A
)

ADVICE: Final = (
    "Another site's page could use this server through its visitors' browsers (DNS rebinding):"
    " name the host that browsers ask for with --web-host, such as --web-host chat.example.org"
)


class Hosts:
    """What the server may be called in requests.

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
