"""TCP: frames off the socket go to the session, and the session's blobs onto the socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import Outbox
from chatroom.delivery.paced import PacedOutbox
from chatroom.limits.connections import LOCAL
from chatroom.node.node import Node
from chatroom.protocol import codec, refusals
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2, Codec
from chatroom.protocol.messages import MAX_FRAME, MAX_FRAME_BEFORE_LOGIN
from chatroom.sessions import dispatch, replies
from chatroom.sessions.session import Session
from chatroom.transports.sockets import COME_BACK, TurnedAway, open_outbox, peer_of, tune


class ChatProtocol(Int32StringReceiver):
    """One TCP connection: a `chatroom.sessions.session.Connection`."""

    factory: Any
    transport: Any
    #: Its address, as far as the connection limit counts.
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
            dispatch.frame_received(self.session, string)

    def lengthLimitExceeded(self, length: int) -> None:
        if not self._deaf:
            self._deaf = True
            dispatch.frame_too_long(self.session, length, self.MAX_LENGTH)

    # ---- what the session calls

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
            return TurnedAway(_GOODBYE)
        protocol = ChatProtocol()
        protocol.factory = self
        protocol.counted_as = address
        return protocol


_TOO_MANY = replies.error(refusals.too_many_connections(COME_BACK), dialect=0)
_GOODBYE = codec.frame(codec.encode(_TOO_MANY))
