"""A connection in memory to the real door, with a far end that reads, or does not."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatroom.protocol import codec
from chatroom.protocol.messages import Message
from chatroom.transports.tcp import ChatFactory
from tests.wire import framed, split

#: Bytes that the system and the transport take for a far end that does not read.
ROOM = 64 * 1024


class _Transport(StringTransport):
    """What is written is there at once, until the far end reads no more."""

    stuck = False
    held = 0

    def write(self, data: bytes) -> None:
        super().write(data)  # type: ignore[no-untyped-call]
        self.held += len(data)
        if self.stuck and self.held > ROOM and self.producer is not None:
            self.producer.pauseProducing()


class Connection:
    """One client's connection; `protocol` is None where the server did not want it."""

    def __init__(self, factory: ChatFactory, host: str) -> None:
        where: Any = IPv4Address("TCP", host, 40_000)
        transport: Any = _Transport
        self.transport = transport(peerAddress=where, lenient=True)
        self.protocol: Any = factory.buildProtocol(where)
        self.lost = self.protocol is None
        #: All that was sent on it, for a report.
        self.sent: list[bytes] = []
        self._arriving: deque[bytes] = deque()
        self._rest = b""
        if not self.lost:
            self.protocol.makeConnection(self.transport)

    def sends(self, data: bytes) -> None:
        """Bytes are on their way; `turn` brings them."""
        self.sent.append(data)
        self._arriving.append(data)

    def says(self, message: Message) -> None:
        self.sends(framed(message))

    def stop_reading(self) -> None:
        self.transport.stuck = True

    def turn(self) -> bool:
        """Let the server read what it likes to, and the connection end; False: nothing to do."""
        if self.lost:
            return False
        transport = self.transport
        if transport.disconnected:
            self.cut(ConnectionAborted())
        elif transport.disconnecting and not (transport.stuck and transport.held > ROOM):
            self.cut(ConnectionDone())
        elif self._arriving and transport.producerState == "producing":
            self.protocol.dataReceived(self._arriving.popleft())
        else:
            return False
        return True

    def cut(self, why: Exception | None = None) -> None:
        """The connection is over."""
        if not self.lost:
            self.lost = True
            self.transport.connected = False
            self._arriving.clear()
            self.protocol.connectionLost(Failure(why or ConnectionDone()))

    def takes(self) -> list[Message]:
        """The messages that came since the last look.

        :raises WireError: something that came is no message.
        """
        payloads, self._rest = split(self._rest + self.transport.value())
        self.transport.clear()
        if not self.transport.stuck:
            self.transport.held = 0
        return [codec.decode(payload) for payload in payloads]

    @property
    def is_whole(self) -> bool:
        """Whether what came ends where a message ends."""
        return not self._rest
