"""The store on a real Valkey keeps the store's contract."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from pytest_twisted import blockon
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chatroom.protocol.messages import LOBBY
from chatroom.store.interface import Store
from chatroom.store.records import Account, Post
from chatroom.store.redis import bus
from chatroom.store.redis.store import RedisStore
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import (
    FUTURE,
    HEARTBEAT,
    LIFETIME,
    Nodes,
    Recorder,
    at_once,
    until,
)
from tests.store.contract.whole import StoreContract

#: Makes all that is kept for a time so many seconds older, as if they had passed.
AGE = """
local seconds = tonumber(ARGV[1])
local function earlier(time, factor) return string.format('%.0f', time - seconds * factor) end
local function reschedule(key, factor)
  local found = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do redis.call('ZADD', key, earlier(found[i + 1], factor), found[i]) end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, earlier(left, 1000)) end
  if string.find(key, '^chatroom:addresses:') then reschedule(key, 1) end
  if string.find(key, '^chatroom:tokens:') then reschedule(key, 1000000) end
  if key == 'chatroom:bans' or string.find(key, '^chatroom:account:') then
    local found = redis.call('HGETALL', key)
    for i = 1, #found, 2 do
      local name, ends, rest = found[i], string.match(found[i + 1], '^(%d+)(.*)$')
      if ends and ends ~= '0' and (key == 'chatroom:bans' or string.find(name, '_until$')) then
        redis.call('HSET', key, name, earlier(ends, 1000) .. rest)
      end
    end
  end
end
"""


class RedisNodes:
    """`tests.store.contract.nodes.Nodes` on a Valkey."""

    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self._stores: list[RedisStore] = []

    async def make(self, name: str = "one", **limits: int) -> RedisStore:
        store = RedisStore(
            reactor,
            self.valkey.address,
            node=name,
            timeout=120,
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
        while seconds > 0:
            step = min(seconds, LIFETIME / 2)
            seconds -= step
            self.valkey.ask("EVAL", AGE, "0", str(step))
            await until(self._all_have_beaten)

    def _all_have_beaten(self) -> bool:
        beating = [store._bus._node for store in self._stores if store._bus._heartbeat.running]
        left = [self.valkey.ask("PTTL", f"chatroom:node:{name}:alive") for name in beating]
        return all(int(reply[1:]) > 750 * LIFETIME for reply in left)

    async def stop(self) -> None:
        await at_once(store.stop() for store in self._stores)


@pytest.fixture
def nodes(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.setattr(bus, "NODE_LIFETIME", LIFETIME)
    monkeypatch.setattr(bus, "HEARTBEAT", HEARTBEAT)
    nodes = RedisNodes(valkey)
    yield nodes
    blockon(Deferred.fromCoroutine(nodes.stop()))


class TestRedisStore(StoreContract):
    """As everybody runs it."""
