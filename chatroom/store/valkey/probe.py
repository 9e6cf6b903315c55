"""Asks a Redis on a Unix socket whether it is ready, over a connection of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

#: Seconds for an answer.
PATIENCE: Final = 2


@dataclass(frozen=True, slots=True)
class Loading:
    """It is up, and reads its data."""

    percent: float
    seconds_left: int


class _Probe(Protocol):
    transport: Any  # zope's interfaces tell mypy too little

    def __init__(self) -> None:
        self.answer: Deferred[Loading | None] = Deferred(lambda _: self._drop())
        self._received = b""

    def connectionMade(self) -> None:
        self.transport.write(b"PING\r\nINFO persistence\r\n")

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self._received.startswith(b"+PONG"):
            self._answered(None)
        percent = re.search(rb"^loading_loaded_perc:([\d.]+)", self._received, re.MULTILINE)
        left = re.search(rb"^loading_eta_seconds:(\d+)\r", self._received, re.MULTILINE)
        if percent and left:
            self._answered(Loading(float(percent[1]), int(left[1])))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answer.called:
            self.answer.errback(reason)

    def _answered(self, what: Loading | None) -> None:
        if not self.answer.called:
            self.answer.callback(what)
        self._drop()

    def _drop(self) -> None:
        self.transport.abortConnection()


_factory = Factory.forProtocol(_Probe)
# Two log lines for each question would drown everything else.
_factory.noisy = False


async def is_ready(reactor: Any, path: str) -> bool | Loading:
    """True if it answers, what it still has to load, or False if it can't be reached (yet)."""
    try:
        probe: _Probe = await UNIXClientEndpoint(reactor, path, PATIENCE).connect(_factory)
        loading = await probe.answer.addTimeout(PATIENCE, reactor)
    except (ConnectError, ConnectionClosed, defer.TimeoutError):
        return False
    return True if loading is None else loading
