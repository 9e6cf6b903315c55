"""The door for TCP: frames off the socket to the session, and the session's blobs onto it."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import Outbox, TransportOutbox
from chatroom.delivery.paced import PacedOutbox
from chatroom.limits.connections import LOCAL
from chatroom.node.node import Node
from chatroom.protocol import codec, refusals
from chatroom.protocol import messages as wire
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2, Codec
from chatroom.protocol.messages import MAX_FRAME, MAX_FRAME_BEFORE_LOGIN
from chatroom.sessions.session import Session

#: When the system finds out that a silent peer is gone: it asks after 20 s, then every 5 s, and
#: gives up what stays unanswered for 40 s. Something sent in the last of those seconds has 40 s of
#: its own, so a peer that vanished is offline within 90 s.
KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 40_000}

_log = Logger()


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


def is_plain(transport: Any) -> bool:
    """Whether what is written to a connection goes out as it is."""
    return _socket_of(transport) is not None


def peer_of(transport: Any) -> str:
    """Where a connection comes from, for the log."""
    return str(getattr(transport.getPeer(), "host", LOCAL))


class ChatProtocol(Int32StringReceiver):
    """One TCP connection: a `chatroom.sessions.session.Door`."""

    factory: Any
    transport: Any
    #: Where it came from, as far as the connection limit counts.
    counted_as: str
    session: Session
    outbox: Outbox
    token = ""
    takes_dialect_1 = True

    def connectionMade(self) -> None:
        # Until the login nothing larger is taken; what can be announced there is small.
        self.MAX_LENGTH = min(MAX_FRAME_BEFORE_LOGIN, self.factory.max_frame)
        self._parsing = False
        self._deaf = False
        self.address = peer_of(self.transport)
        tune(self.transport)
        self.outbox = open_outbox(self.transport, self.factory.send_queue)
        self.session = Session(self.factory.node, self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        self.connected = 0
        self.factory.node.connection_limit.leave(self.counted_as)
        self._deaf = True
        self.outbox.drop()
        self.session.lost()

    def dataReceived(self, data: bytes) -> None:
        # What is buffered is still delivered after the connection was told to close, and a frame
        # that is too long would be complained of for each further piece of it.
        if self._deaf:
            return
        if data:
            self.session.heard()
        self._parsing = True
        try:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        finally:
            self._parsing = False

    def stringReceived(self, string: bytes) -> None:
        # The loop that calls us has no end but that of its data, also when a frame made us close.
        if not self._deaf:
            self.session.frame_received(string)

    def lengthLimitExceeded(self, length: int) -> None:
        if not self._deaf:
            self._deaf = True
            self.session.frame_too_long(length, self.MAX_LENGTH)

    # ---- what the session asks of its door

    def speak(self, dialect: int) -> Codec:
        if dialect:
            self.MAX_LENGTH = self.factory.max_frame
        if dialect == 1 and isinstance(self.outbox, DirectOutbox):
            self.transport.unregisterProducer()
            limit, clock = self.outbox.limit, self.factory.node.clock
            self.outbox = PacedOutbox(self.transport, limit, clock, behind=self.outbox)
        return DIALECT_1 if dialect == 1 else DIALECT_2

    def pause(self) -> None:
        self.pauseProducing()  # type: ignore[no-untyped-call]

    def resume(self) -> None:
        if self._parsing:
            # The loop that called us goes on by itself; to start it again from within would give it
            # the same frame once more.
            self.paused = False
            self.transport.resumeProducing()
        else:
            self.resumeProducing()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._deaf = True
        self.outbox.finish(self._hang_up)

    def abort(self) -> None:
        self._deaf = True
        # Twisted's TLS has let go of everything by then, and would trip over it.
        if self.connected:
            self.transport.abortConnection()

    def _hang_up(self) -> None:
        # With a producer registered, the transport would wait for it for ever.
        self.transport.unregisterProducer()
        self.transport.loseConnection()


class ChatFactory(Factory):
    """Makes a session for each connection; the node it holds knows who is online.

    :param max_frame: largest frame taken from a client that is logged in, in bytes.
    :param send_queue: what may wait for one slow client, in bytes.
    """

    noisy = False

    def __init__(
        self, node: Node, *, max_frame: int = MAX_FRAME, send_queue: int = 1024 * 1024
    ) -> None:
        self.node = node
        self.max_frame = max_frame
        self.send_queue = send_queue

    def buildProtocol(self, addr: IAddress | None) -> Any:
        address = str(getattr(addr, "host", LOCAL))
        if not self.node.admit(address):
            return _TurnedAway()
        protocol = ChatProtocol()
        protocol.factory = self
        protocol.counted_as = address
        return protocol


#: Seconds that a client is told to wait whose connection was one too many.
COME_BACK = 10
_TOO_MANY = refusals.too_many_connections(COME_BACK)
_GOODBYE = codec.frame(
    codec.encode(
        wire.ErrorMes(
            code=_TOO_MANY.code,
            error=f"{_TOO_MANY.zh} ({_TOO_MANY.en})",
            retry_after=_TOO_MANY.retry_after,
        )
    )
)


class _TurnedAway(Protocol):
    """A connection too many: told why where that costs nothing, and gone."""

    transport: Any

    def connectionMade(self) -> None:
        if is_plain(self.transport):
            self.transport.write(_GOODBYE)
            self.transport.loseConnection()
        else:
            # TLS: a handshake would cost more than being here does, and may never come to its end.
            self.transport.abortConnection()
