"""The in-memory double: it keeps the store's contract, and fails as it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from chatroom.protocol.messages import LOBBY, SEQ_ZERO, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Account, Entry, Outcome, Post, StoreUnavailable
from tests.doubles.memory_backend import MemoryBackend
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.store.contract.nodes import FUTURE, HEARTBEAT, LIFETIME, Recorder, post
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


def result(deferred: Deferred[T]) -> T:
    """What has come of it by now."""
    results: list[T] = []
    deferred.addCallback(results.append)
    return results[0]


class TestTrouble:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(MemoryBackend(clock))

    def test_nothing_is_answered_in_the_turn_in_which_it_is_asked(
        self, clock: Clock, store: MemoryStore
    ) -> None:
        told = Recorder()
        started = store.start(told, [LOBBY])
        assert not started.called
        clock.advance(0)
        said = store.append_to_room(LOBBY, post(1, "hi"))
        assert not said.called
        assert told.room == []
        clock.advance(0)
        assert result(said).seq > SEQ_ZERO
        assert told.texts() == ["hi"]

    def test_refusing_fails_everything_and_silences_the_bus(
        self, clock: Clock, store: MemoryStore
    ) -> None:
        told = Recorder()
        store.start(told, [LOBBY])
        other = MemoryStore(store.backend, node="other")
        clock.advance(0)
        store.fail(Trouble.REFUSES)
        failures: list[Any] = []
        store.append_to_room(LOBBY, post(1, "lost")).addErrback(failures.append)
        other.append_to_room(LOBBY, post(1, "from elsewhere"))
        clock.advance(0)
        assert failures[0].check(StoreUnavailable)
        assert told.room == []
        store.recover()
        clock.advance(0)
        assert told.texts() == ["from elsewhere"]

    def test_hanging_answers_once_it_recovers(self, clock: Clock, store: MemoryStore) -> None:
        store.fail(Trouble.HANGS)
        said = store.append_to_room(LOBBY, post(1, "late"))
        clock.advance(100)
        assert not said.called
        assert store.backend.room(LOBBY).entries == []
        store.recover()
        clock.advance(0)
        assert result(said).outcome is Outcome.STORED

    def test_forgetting_does_it_and_says_that_it_failed(
        self, clock: Clock, store: MemoryStore
    ) -> None:
        store.fail(Trouble.FORGETS)
        failures: list[Any] = []
        store.append_to_room(LOBBY, post(1, "hi", id="a")).addErrback(failures.append)
        clock.advance(0)
        assert failures[0].check(StoreUnavailable)
        store.recover()
        again = store.append_to_room(LOBBY, post(1, "hi", id="a"))
        clock.advance(0)
        assert result(again).outcome is Outcome.DUPLICATE
