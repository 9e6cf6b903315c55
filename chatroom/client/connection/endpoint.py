"""From what a person types to a Twisted client endpoint."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from twisted.internet.endpoints import HostnameEndpoint, clientFromString

from chatroom.client.base.interfaces import Endpoint
from chatroom.client.connection.tls import TlsEndpoint
from chatroom.client.connection.trust import Trust

#: The server's port where none is given.
DEFAULT_PORT: Final = 8889

#: ``host``, ``host:port``, ``[v6]:port``; an IPv6 address without brackets can't be told apart.
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\s:=\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)


def client_endpoint(reactor: Any, server: str, tls: Trust | bool = False) -> Endpoint:
    """Read ``"host"``, ``"host:port"``, ``"[v6]:port"`` or any Twisted client endpoint string.

    :param tls: whom to believe; True: whom the system's roots vouch for; False: in clear, or as the
        endpoint string has it.
    :raises ValueError: it is none of these; the text is one line that says why.
    """
    found = _ADDRESS.fullmatch(server.strip())
    if found is None:
        if tls:
            raise ValueError(f"{server.strip()!r}: with TLS, a server is HOST:PORT")
        return _from_string(reactor, server.strip())
    port = DEFAULT_PORT if found["port"] is None else int(found["port"])
    if not 0 < port < 65536:
        raise ValueError(f"port {port}: must be from 1 to 65535")
    host = found["v6"] or found["host"]
    endpoint = cast(Endpoint, HostnameEndpoint(reactor, host, port))
    if not tls:
        return endpoint
    name = f"[{host}]:{port}" if found["v6"] else f"{host}:{port}"
    return TlsEndpoint(reactor, endpoint, host, name, Trust() if tls is True else tls)


def _from_string(reactor: Any, description: str) -> Endpoint:
    # A plugin may raise anything for an option it can't use.
    try:
        return cast(Endpoint, clientFromString(reactor, description))
    except Exception as error:  # noqa: BLE001
        raise ValueError(
            f"{description!r} is no server: HOST:PORT, or a Twisted client endpoint such as "
            f"tls:example.org:8890 ({type(error).__name__}: {error})"
        ) from None
