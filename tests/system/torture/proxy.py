"""A proxy that cuts, holds back or swallows: TCP between clients and server, Unix to the store."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


class _End(Protocol):
    """One side of a proxied connection."""

    transport: Any

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def connectionMade(self) -> None:
        self.pair.made(self)

    def dataReceived(self, data: bytes) -> None:
        self.pair.passed(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pair.cut()


class Pair:
    """One connection through the proxy: the side that called, and the side that it called."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.near: _End | None = None
        self.far: _End | None = None
        self._early: list[bytes] = []
        #: Bytes that still pass in that direction before the connection is cut; None: all.
        self.bytes_left: dict[str, int | None] = {"in": None, "out": None}
        #: The reply to a request that holds this is cut off; None: all replies pass.
        self.fatal_request: bytes | None = None
        #: Nothing passes any more, and nobody is told.
        self.swallowing = False
        self._gone = False

    def made(self, end: _End) -> None:
        if end is self.near:
            connecting = self._proxy.connect(Factory.forProtocol(lambda: _End(self)))
            connecting.addCallbacks(self._connected, lambda _: self.cut())

    def _connected(self, far: Any) -> None:
        self.far = far
        if self._gone:
            far.transport.abortConnection()
        for data in self._early:
            far.transport.write(data)
        self._early.clear()

    def passed(self, end: _End, data: bytes) -> None:
        """Bytes came from one side: pass them on, as far as they may go."""
        if self.swallowing:
            return
        way = "in" if end is self.near else "out"
        if way == "in" and self.fatal_request is not None and self.fatal_request in data:
            self.bytes_left["out"] = self._proxy.random.choice((0, 0, 1, 7))
        left = self.bytes_left[way]
        if left is not None:
            data, self.bytes_left[way] = data[:left], left - len(data)
        other = self.far if end is self.near else self.near
        if other is not None:
            other.transport.write(data)
        elif data:
            self._early.append(data)
        remaining = self.bytes_left[way]
        if remaining is not None and remaining <= 0 and not self._gone:
            self._proxy.cuts += 1
            self.cut(gently=True)

    def cut(self, *, gently: bool = False) -> None:
        """End it on both sides; ``gently``: what was passed on arrives first."""
        if self._gone:
            return
        self._gone = True
        self._proxy.pairs.pop(self, None)
        for end in (self.near, self.far):
            if end is not None and end.transport is not None:
                if gently:
                    end.transport.loseConnection()
                else:
                    end.transport.abortConnection()


class Proxy(Factory):
    """Passes connections on to an endpoint.

    :param target: a Twisted client endpoint.
    """

    noisy = False

    def __init__(self, target: Any, random: Random) -> None:
        self._target = target
        self.random = random
        #: In the order in which they came: a set's order would not be the same again.
        self.pairs: dict[Pair, None] = {}
        self.port: Any = None
        #: How many connections were cut at the byte that was meant.
        self.cuts = 0

    def buildProtocol(self, addr: object) -> Any:
        pair = Pair(self)
        pair.near = _End(pair)
        self.pairs[pair] = None
        return pair.near

    def connect(self, factory: Factory) -> Any:
        return self._target.connect(factory)

    def cut_all(self) -> None:
        """Cut every connection, each at a random byte of what passes next, in either direction."""
        for pair in tuple(self.pairs):
            pair.bytes_left[self.random.choice(("in", "out"))] = self.random.randrange(1, 400)

    def cut_before_reply(self, to: bytes) -> None:
        """Cut off the next reply to a request that holds ``to``: what was asked for was done."""
        for pair in tuple(self.pairs):
            pair.fatal_request = to

    async def close(self) -> None:
        """Cut everything, and listen no more."""
        for pair in tuple(self.pairs):
            pair.cut()
        if self.port is not None:
            await self.port.stopListening()

    def swallow_last(self, share: float) -> None:
        """Make the newest connections swallow all: both sides think the other is silent."""
        pairs = list(self.pairs)
        for pair in pairs[len(pairs) - round(share * len(pairs)) :]:
            pair.swallowing = True
