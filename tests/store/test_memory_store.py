"""The in-memory double: it keeps the store's contract, and fails as it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from chatroom.protocol.messages import LOBBY, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Account, Entry, Post
from tests.doubles.memory_backend import MemoryBackend
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.store.contract.nodes import FUTURE, HEARTBEAT, LIFETIME, Recorder
from tests.store.contract.whole import StoreContract

T = TypeVar("T")


class PumpedClock(Clock):
    """A clock that runs what is due in the reactor's next turn, and jumps when told to."""

    def callLater(  # noqa: N802  # Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        real: Any = reactor
        if delay <= 0:
            real.callLater(0, self.advance, 0)
        return super().callLater(delay, callable, *args, **kw)


class MemoryNodes:
    """`tests.store.contract.nodes.Nodes` in memory."""

    def __init__(self) -> None:
        self.clock = PumpedClock()
        self.backend = MemoryBackend(self.clock, lifetime=LIFETIME, heartbeat=HEARTBEAT)

    async def make(self, name: str = "one", **limits: int) -> MemoryStore:
        return MemoryStore(self.backend, node=name, **limits)

    async def started(self, name: str = "one", **limits: int) -> tuple[MemoryStore, Recorder]:
        store, told = await self.make(name, **limits), Recorder()
        await store.start(told, [LOBBY])
        return store, told

    async def crash(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.crash()

    async def freeze(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.fail(Trouble.REFUSES)

    async def thaw(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.recover()

    async def leave_legacy_account(self, account: Account) -> None:
        self.backend.legacy[account.user_id] = account

    async def legacy_text(self, user_id: int) -> object | None:
        return self.backend.legacy.get(user_id)

    async def leave_in_future(self, conversation: str | int, post: Post) -> None:
        self.backend.leave_in_future(
            conversation, Entry(seq=Seq(FUTURE, 0), sent_at=FUTURE, post=post)
        )

    async def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def nodes(self) -> MemoryNodes:
        return MemoryNodes()
