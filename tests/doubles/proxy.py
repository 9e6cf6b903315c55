"""A relay before a server on a Unix socket: it can hold replies back, and cut connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


class Proxy:
    """What is sent to ``path`` goes to ``target``, and the replies come back.

    :param reactor: listens on ``path`` where that is given; else hand `factory` to a port.
    """

    def __init__(self, reactor: Any, target: Path, path: Path | None = None) -> None:
        self.reactor = reactor
        self.target = target
        self.links: set[_Front] = set()
        #: Connections taken so far.
        self.taken = 0
        self.factory: Any = Factory.forProtocol(lambda: _Front(self))
        self._held: list[tuple[_Front, bytes]] | None = None
        self._cut_at = b""
        self._port = None if path is None else reactor.listenUNIX(str(path), self.factory)

    def cut(self) -> None:
        """Drop all connections."""
        for link in tuple(self.links):
            link.drop()

    def cut_after(self, command: bytes) -> None:
        """Pass on the next command that has this in it, and drop its connection at the reply."""
        self._cut_at = command

    def hold(self) -> None:
        """Keep replies back until `release`."""
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for link, data in held:
            link.reply(data)

    def asked(self, link: _Front, data: bytes) -> None:
        if self._cut_at and self._cut_at in data:
            self._cut_at = b""
            link.doomed = True

    def answered(self, link: _Front, data: bytes) -> None:
        if link.doomed:
            link.drop()
        elif self._held is not None:
            self._held.append((link, data))
        else:
            link.reply(data)

    def stop(self) -> Deferred[None] | None:
        self.cut()
        stopped: Deferred[None] | None = self._port and self._port.stopListening()
        return stopped


class _Front(Protocol):
    """The client's side."""

    transport: Any

    def __init__(self, proxy: Proxy) -> None:
        self.doomed = False
        self._proxy = proxy
        self._back: _Back | None = None
        self._early: list[bytes] = []

    def connectionMade(self) -> None:
        self._proxy.links.add(self)
        self._proxy.taken += 1
        factory: Any = Factory.forProtocol(lambda: _Back(self, self._proxy))
        factory.noisy = False
        endpoint: Any = UNIXClientEndpoint(self._proxy.reactor, str(self._proxy.target))
        endpoint.connect(factory).addCallbacks(self._linked, lambda _: self.drop())

    def _linked(self, back: _Back) -> None:
        self._back = back
        for data in self._early:
            back.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self._proxy.asked(self, data)
        if self._back is None:
            self._early.append(data)
        else:
            self._back.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._proxy.links.discard(self)
        if self._back is not None:
            self._back.transport.abortConnection()

    def reply(self, data: bytes) -> None:
        if self in self._proxy.links:
            self.transport.write(data)

    def drop(self) -> None:
        if self in self._proxy.links:
            self.transport.abortConnection()


class _Back(Protocol):
    """The server's side."""

    transport: Any

    def __init__(self, front: _Front, proxy: Proxy) -> None:
        self._front = front
        self._proxy = proxy

    def dataReceived(self, data: bytes) -> None:
        self._proxy.answered(self._front, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._front.drop()
