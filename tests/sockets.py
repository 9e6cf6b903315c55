"""Connections to test with: Twisted's own on real sockets, turned by hand, and one in memory."""

from __future__ import annotations

import select
import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import tcp
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatroom.protocol import codec
from chatroom.protocol.messages import Message
from chatroom.transports.tcp import ChatFactory, ChatProtocol
from tests.wire import framed, frames


def a_clock() -> Any:
    """A clock that stands still; untyped, as zope's interfaces say nothing to a type checker."""
    return Clock()


class HandReactor:
    """What a connection needs of a reactor; nothing happens but in `turn`.

    :param clock: goes on by itself or not, as its owner likes.
    """

    def __init__(self, clock: Any) -> None:
        self.callLater = clock.callLater
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader, self.removeReader = self.readers.add, self.readers.discard
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard

    def turn(self) -> bool:
        """Write and read what can be now; False: there was nothing to do."""
        busy = False
        for ready, doing in ((self.writers, "doWrite"), (self.readers, "doRead")):
            for connection in tuple(ready):
                if connection in ready and _is_ready(connection.fileno(), doing):
                    busy = True
                    why = getattr(connection, doing)()
                    if why is not None:
                        connection.connectionLost(Failure(why))
        return busy


def _is_ready(fileno: int, doing: str) -> bool:
    poll = select.poll()
    poll.register(fileno, select.POLLOUT if doing == "doWrite" else select.POLLIN)
    return bool(poll.poll(0))


def received(far: socket.socket) -> bytes:
    """All that a socket holds for its reader now."""
    pieces = []
    try:
        while piece := far.recv(65536):
            pieces.append(piece)
    except (BlockingIOError, ConnectionResetError):
        pass
    return b"".join(pieces)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
    return near, far


def on_tcp(protocol: Any, reactor: Any) -> tuple[tcp.Server, socket.socket]:
    """The transport of a server's protocol on a real connection, and that one's far end."""
    near, far = tcp_pair()
    far.setblocking(False)
    port: Any = SimpleNamespace(_realPortNumber=0)
    return tcp.Server(near, protocol, ("127.0.0.1", 1), port, 0, reactor), far


class Pair:
    """A connection of Twisted's on a pair of sockets, and its far end; little fits in between."""

    def __init__(self, clock: Any) -> None:
        self.reactor = HandReactor(clock)
        near, self.far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.far.setblocking(False)
        self.transport = tcp.Connection(near, Protocol(), self.reactor)  # type: ignore[arg-type]
        self.transport.connected = 1
        self.transport.startReading()

    def take(self) -> bytes:
        """What the far end reads, without the near one doing anything meanwhile."""
        return received(self.far)

    def take_all(self) -> bytes:
        """What the far end reads until there is nothing more to come."""
        taken = [self.take()]
        while self.reactor.turn() or taken[-1]:
            taken.append(self.take())
        return b"".join(taken)

    def close(self) -> None:
        self.far.close()
        if not self.transport.disconnected:
            self.transport.socket.close()


class Peer:
    """A client of the server on the other side of a connection in memory."""

    def __init__(self, factory: ChatFactory, *, handle: Any = None) -> None:
        """:param handle: what the transport says that it writes to."""
        transport: Any = StringTransport(lenient=True)
        if handle is not None:
            transport.getHandle = lambda: handle
        self.transport = transport
        self.protocol: ChatProtocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def sends(self, data: bytes) -> None:
        """Bytes arrive at the server in one piece."""
        self.protocol.dataReceived(data)

    def says(self, *messages: Message) -> None:
        """Messages arrive at the server in one piece."""
        self.sends(framed(*messages))

    def payloads(self) -> list[bytes]:
        """The frames that came since the last look."""
        data = self.transport.value()
        self.transport.clear()
        return frames(data)

    def takes(self) -> list[Message]:
        """The messages that came since the last look."""
        return [codec.decode(payload) for payload in self.payloads()]

    @property
    def closed(self) -> bool:
        """Whether the server has closed the connection."""
        return bool(self.transport.disconnecting)

    def leaves(self) -> None:
        """The connection is lost."""
        self.transport.connected = False
        self.protocol.connectionLost()


class SocketPeer:
    """A client of the server on the other end of a real TCP connection."""

    def __init__(self, factory: ChatFactory, clock: Any) -> None:
        self.reactor = HandReactor(clock)
        address: Any = IPv4Address("TCP", "127.0.0.1", 1)
        self.protocol: ChatProtocol = factory.buildProtocol(address)
        self.transport, self.far = on_tcp(self.protocol, self.reactor)
        self.protocol.makeConnection(self.transport)

    def says(self, *messages: Message) -> None:
        """The server reads messages."""
        self.far.sendall(framed(*messages))
        self.turn()

    def turn(self) -> None:
        """The server does what it can now."""
        while self.reactor.turn():
            pass

    def takes(self) -> list[Message]:
        """The messages that came since the last look."""
        self.turn()
        return [codec.decode(payload) for payload in frames(received(self.far))]

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnected)

    def close(self) -> None:
        self.far.close()
        self.turn()
