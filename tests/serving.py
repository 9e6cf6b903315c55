"""A server on a real port, with its store in memory: for what connects from another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor as running
from twisted.internet.defer import Deferred, maybeDeferred

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.passwords import Passwords
from chatroom.common.clock import pause
from chatroom.node.node import Node
from chatroom.transports.tcp import ChatFactory
from tests.doubles.memory_backend import MemoryBackend
from tests.doubles.memory_store import MemoryStore

T = TypeVar("T")

# zope's interfaces tell mypy too little.
reactor: Any = running


def _at_once(function: Callable[..., T], *args: object) -> Deferred[T]:
    return maybeDeferred(function, *args)


class Serving:
    """One node that listens on 127.0.0.1; `address` is what a client is given."""

    def __init__(self, make_store: type[MemoryStore] = MemoryStore) -> None:
        store = make_store(MemoryBackend(reactor))
        # The cheapest there is: these tests are not about it.
        passwords = Passwords(_at_once, time_cost=1, memory_kib=8)
        self.node = Node(reactor, store, Accounts(store, passwords), name="node")
        self._store = store

    @property
    def port(self) -> int:
        port: int = self._port.getHost().port
        return port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        await self.node.start()
        self._port = reactor.listenTCP(0, ChatFactory(self.node), interface="127.0.0.1")

    async def stop(self) -> None:
        await self._port.stopListening()
        await self.node.stop()
        await self._store.stop()
        # What the last connections still have to do.
        await pause(reactor, 0.05)
