"""A network in memory: nothing arrives before `Network.run`, and it can be cut anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure


class End:
    """One end's transport, as far as a stream protocol uses one."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.other: End | None = None
        #: Bytes on their way to this end.
        self.coming = b""
        self.closing = False
        self.aborted = False
        self.gone = False

    def write(self, data: bytes) -> None:
        if not self.closing and not self.gone and self.other is not None:
            self.other.coming += data

    def loseConnection(self) -> None:
        self.closing = True

    def abortConnection(self) -> None:  # noqa: N802  # Twisted's name
        self.closing = self.aborted = True

    def deliver(self, count: int | None = None) -> bool:
        """Hand over ``count`` bytes, or all; whether there were any."""
        data, self.coming = self.coming[:count], b"" if count is None else self.coming[count:]
        if self.gone or not data:
            return False
        self.protocol.dataReceived(data)
        return True

    def end(self, why: Exception) -> None:
        if not self.gone:
            self.gone = True
            self.protocol.connectionLost(Failure(why))


class Connection:
    """Both ends."""

    def __init__(self, client: Protocol, server: Protocol) -> None:
        self.client, self.server = End(), End()
        self.client.other, self.server.other = self.server, self.client
        self.client.protocol, self.server.protocol = client, server
        server.makeConnection(self.server)
        client.makeConnection(self.client)

    def step(self) -> bool:
        """Let happen what is due; whether something was."""
        if self.client.aborted or self.server.aborted:
            return self.cut(0, 0)
        if self.server.deliver() or self.client.deliver():
            return True
        if self.client.closing or self.server.closing:
            return self._end(error.ConnectionDone())
        return False

    def cut(self, to_client: int | None = None, to_server: int | None = None) -> bool:
        """Lose the connection after so many bytes on their way still arrived (all if None)."""
        self.server.deliver(to_server)
        self.client.deliver(to_client)
        return self._end(error.ConnectionLost())

    def _end(self, why: Exception) -> bool:
        if self.client.gone:
            return False
        self.server.end(why)
        self.client.end(why)
        return True


class Network:
    """Connects an endpoint of its own to whatever server protocol ``serve`` makes."""

    def __init__(self, serve: Callable[[], Protocol]) -> None:
        self._serve = serve
        self.connections: list[Connection] = []
        #: What the next tries to connect end with; None: they hang.
        self.refuse: Exception | None = None
        self.hangs = False
        self.tries = 0

    @property
    def last(self) -> Connection:
        return self.connections[-1]

    def connect(self, factory: Factory) -> Deferred[Any]:
        """As an endpoint does."""
        self.tries += 1
        if self.hangs:
            return Deferred()
        if self.refuse is not None:
            return fail(self.refuse)
        client: Any = factory.buildProtocol(None)
        self.connections.append(Connection(client, self._serve()))
        return succeed(client)

    def run(self) -> None:
        """Deliver everything, until nothing moves any more."""
        for _ in range(10_000):
            moved = [connection.step() for connection in self.connections]
            if not any(moved):
                return
        raise AssertionError("the network does not come to rest")


REFUSED = error.ConnectionRefusedError()
