"""What all transports do with a connection's socket: tuning, the outbox, refusing one too many."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOProtocol

from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import TransportOutbox
from chatroom.limits.connections import LOCAL

#: When the system finds out that a silent peer is gone: it asks after 20 s, then every 5 s, and
#: gives up what stays unanswered for 40 s. Something sent in the last of those seconds has 40 s of
#: its own, so a peer that vanished is offline within 90 s.
KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 40_000}
#: Seconds that a client is told to wait whose connection was one too many.
COME_BACK = 10


def tune(transport: Any) -> None:
    """No delay, and find out about a peer that vanished without a word.

    :param transport: a connection, however it is made; one with no TCP socket is left as it is.
    """
    if isinstance(transport, TLSMemoryBIOProtocol):
        # Only OpenSSL may write to it, but it is TCP all the same.
        below: Any = transport.transport
        transport = below
    handle = _socket_of(transport)
    if handle is None or handle.family == socket.AF_UNIX:
        return
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def open_outbox(transport: Any, limit: int, *, held: int = 0) -> DirectOutbox | TransportOutbox:
    """The shortest way out that the connection has.

    :param limit: what may wait, in bytes.
    :param held: bytes that were written to the transport before, and may not have left yet.
    """
    if _socket_of(transport) is None:
        return TransportOutbox(transport, limit)
    return DirectOutbox(transport, limit, held=held)


def _socket_of(transport: Any) -> socket.socket | None:
    """The socket, unless somebody else writes to it: with TLS the handle is OpenSSL's."""
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    return handle if isinstance(handle, socket.socket) else None


def peer_of(transport: Any) -> str:
    """Where a connection comes from, for the log."""
    return str(getattr(transport.getPeer(), "host", LOCAL))


class TurnedAway(Protocol):
    """One connection too many: told so where that costs nothing, and closed.

    :param goodbye: what it is told.
    """

    transport: Any

    def __init__(self, goodbye: bytes) -> None:
        self._goodbye = goodbye

    def connectionMade(self) -> None:
        if _socket_of(self.transport) is not None:
            self.transport.write(self._goodbye)
            self.transport.loseConnection()
        else:
            # TLS: a handshake would cost more than being here does, and may never come to its end.
            self.transport.abortConnection()
