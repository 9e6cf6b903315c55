"""The store on a real Valkey keeps the store's contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pytest_twisted import blockon
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from chatroom.store import bus, connection
from chatroom.store.interface import Account, Post, Store
from chatroom.store.redis import RedisStore
from chatroom.wire import LOBBY
from tests.doubles.valkey import Valkey
from tests.store.connecting import PureProtocol
from tests.store.contract import StoreContract
from tests.store.contract_mailboxes import MailboxContract
from tests.store.contract_rooms import RoomContract
from tests.store.nodes import FUTURE, HEARTBEAT, LIFETIME, Nodes, Recorder


class RedisNodes:
    """`tests.store.nodes.Nodes` on a Valkey."""

    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self._stores: list[RedisStore] = []

    async def make(self, name: str = "one", **limits: int) -> RedisStore:
        store = RedisStore(
            # Longer than any machine that is busy otherwise takes for the slow parser.
            reactor,
            self.valkey.address,
            node=name,
            timeout=30,
            **limits,
        )
        self._stores.append(store)
        await store.connect()
        return store

    async def started(self, name: str = "one", **limits: int) -> tuple[RedisStore, Recorder]:
        store, told = await self.make(name, **limits), Recorder()
        await store.start(told, [LOBBY])
        return store, told

    async def crash(self, store: Store) -> None:
        assert isinstance(store, RedisStore)
        await self.freeze(store)
        store._bus._listener = None
        await store.stop()

    async def freeze(self, store: Store) -> None:
        assert isinstance(store, RedisStore)
        store._bus._heartbeat.stop()

    async def thaw(self, store: Store) -> None:
        assert isinstance(store, RedisStore)
        store._bus._heartbeat.start(bus.HEARTBEAT)

    async def leave_legacy_account(self, account: Account) -> None:
        text = {
            "userId": account.user_id,
            "userPwd": account.password,
            "userName": account.name,
            "userStatus": 0,
            "sex": account.sex,
        }
        self.valkey.ask("HSET", "users", str(account.user_id), json.dumps(text))

    async def legacy_text(self, user_id: int) -> object | None:
        reply = self.valkey.ask("HGET", "users", str(user_id))
        return None if reply == b"$-1\r\n" else reply

    async def leave_in_future(self, conversation: str | int, post: Post) -> None:
        message = msgspec.json.encode(post).decode()
        if isinstance(conversation, str):
            key, fields = f"chatroom:room:{conversation}", ["m", message]
        else:
            key = f"chatroom:mailbox:{conversation}"
            fields = ["f", str(post.user_id), "m", message, "c", "200"]
        self.valkey.ask("XADD", key, f"{FUTURE}-0", *fields)

    async def pass_time(self, seconds: float) -> None:
        await deferLater(clock(), seconds)

    async def stop(self) -> None:
        await gatherResults([store.stop() for store in self._stores])


def clock() -> Any:
    return reactor


@pytest.fixture
def nodes(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.setattr(bus, "NODE_LIFETIME", LIFETIME)
    monkeypatch.setattr(bus, "HEARTBEAT", HEARTBEAT)
    nodes = RedisNodes(valkey)
    yield nodes
    blockon(Deferred.fromCoroutine(nodes.stop()))


class TestRedisStore(StoreContract):
    """With hiredis's parser, as everybody runs it."""


class TestPureParser(RoomContract, MailboxContract):
    """What people's texts go through, with txredisapi's own parser."""

    @pytest.fixture(autouse=True)
    def _pure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "_Protocol", PureProtocol)
