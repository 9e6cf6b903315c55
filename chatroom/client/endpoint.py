"""From what a person types to a Twisted client endpoint."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint

#: The server's port where none is given.
DEFAULT_PORT = 8889


def client_endpoint(reactor: Any, server: str) -> IStreamClientEndpoint:
    """Read ``"host"``, ``"host:port"``, ``"[v6]:port"`` or any Twisted client endpoint string.

    :raises ValueError: it is none of these; the text is one line that says why.
    """
    raise NotImplementedError
