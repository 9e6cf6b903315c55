"""Something that speaks Redis's protocol and answers as a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hiredis
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from chatroom.config.redis_address import RedisAddress


class ScriptedRedis:
    """Listens on a Unix socket; ``answer`` gives the bytes to send for a command, b"" for none."""

    def __init__(
        self, reactor: Any, path: Path, answer: Callable[[list[bytes]], bytes] | None = None
    ) -> None:
        self.answer = answer or (lambda command: b"+OK\r\n")
        self.address = RedisAddress(path=str(path))
        #: Connections taken so far.
        self.taken = 0
        self.links: list[_Link] = []
        self._port = reactor.listenUNIX(str(path), Factory.forProtocol(lambda: _Link(self)))

    def stop(self) -> Deferred[None]:
        for link in self.links:
            link.transport.abortConnection()
        stopped: Deferred[None] = self._port.stopListening()
        return stopped


class _Link(Protocol):
    transport: Any

    def __init__(self, server: ScriptedRedis) -> None:
        self._server = server
        self._reader = hiredis.Reader()

    def connectionMade(self) -> None:
        self._server.taken += 1
        self._server.links.append(self)

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self.transport.write(self._server.answer(command))
