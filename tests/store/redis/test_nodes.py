"""Nodes on a real Valkey: their names, their starts and stops, and data that goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.logger import LogLevel

from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.records import Entry, Outcome, StoreUnavailable
from chatroom.store.redis import store as redis
from chatroom.store.redis.store import RedisStore
from tests.doubles.proxy import Proxy
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import (
    Recorder,
    Start,
    person,
    post,
    say,
    until,
)


def clock() -> Any:
    return reactor


@ensureDeferred
async def test_two_servers_under_one_name_are_told_so(start: Start, logged: list[Any]) -> None:
    _, told_first = await start("one")
    _, told_second = await start("one")
    await until(lambda: told_first.leases_lost and told_second.leases_lost)
    errors = [event for event in logged if event["log_level"] is LogLevel.error]
    assert "node name" in errors[0]["log_format"]


@ensureDeferred
async def test_after_the_store_lost_everything_a_node_starts_anew(
    start: Start, valkey: Valkey
) -> None:
    one, told_one = await start("one")
    two, told_two = await start("two")
    for store, user_id in ((one, 1), (two, 2)):
        await store.update_presence([person(user_id)], [])
    await say(one, 1, "before")
    await until(lambda: told_two.room)
    valkey.ask("FLUSHALL")
    valkey.ask("SCRIPT", "FLUSH")
    await until(lambda: told_one.leases_lost and told_two.leases_lost)
    await one.reset_presence([person(1)])
    await say(one, 1, "after")
    await until(lambda: told_two.texts() == ["before", "after"])
    await until(lambda: told_two.people("one"))


@ensureDeferred
async def test_a_server_that_is_killed_and_comes_back_empty_handed_is_joined_again(
    own_valkey: Callable[..., Valkey], start: Start
) -> None:
    server = own_valkey("--appendonly", "yes", "--appendfsync", "always")
    server.start()
    store, told = await start("one", address=server.address)
    [before] = await say(store, 1, "before")
    server.kill()
    with pytest.raises(StoreUnavailable):
        await store.append_to_room(LOBBY, post(1, "lost"))
    server.start()
    await store.connect()
    [after] = await say(store, 1, "after")
    await until(lambda: told.texts() == ["before", "after"])
    assert before < after


# ---- starting and stopping


@ensureDeferred
async def test_a_start_that_failed_can_be_tried_again(
    start: Start, proxy: Proxy, through_proxy: RedisAddress
) -> None:
    store = RedisStore(reactor, through_proxy, node="one", timeout=120)
    await store.connect()
    proxy.cut_after(b"HVALS")
    await start("two")
    told = Recorder()
    with pytest.raises(StoreUnavailable):
        await store.start(told, [LOBBY])
    assert await store.start(told, [LOBBY]) == {LOBBY: SEQ_ZERO}
    await say(store, 1, "hi")
    await until(lambda: told.texts() == ["hi"])
    await store.stop()


@ensureDeferred
async def test_stopping_finishes_what_is_in_hand(start: Start, valkey: Valkey) -> None:
    store, _ = await start()
    sent = [store.append_to_room(LOBBY, post(1, f"text {number}")) for number in range(1200)]
    await store.stop()
    receipts = await gatherResults(sent)
    assert {receipt.outcome for receipt in receipts} == {Outcome.STORED}
    assert valkey.ask("SMEMBERS", "chatroom:nodes") == b"*0\r\n"
    with pytest.raises(StoreUnavailable, match="stopped"):
        await store.account(1)


@ensureDeferred
async def test_stopping_waits_for_a_frozen_store_no_longer_than_it_said(
    own_valkey: Callable[..., Valkey], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "STOP_TIMEOUT", 0.2)
    server = own_valkey()
    server.start()
    store, _ = await start("one", address=server.address)
    server.freeze()
    sent = store.append_to_room(LOBBY, post(1, "hi"))
    began = clock().seconds()
    await store.stop()
    assert clock().seconds() - began < 60, "it waited for the answer"
    with pytest.raises(StoreUnavailable):
        await sent


@ensureDeferred
async def test_a_store_that_never_started_can_be_stopped(valkey: Valkey) -> None:
    store = RedisStore(reactor, valkey.address, node="one")
    assert store.why_not == "not connected yet"
    await store.stop()
    entries: list[Entry] = []
    with pytest.raises(StoreUnavailable):
        entries += await store.room_after(LOBBY, SEQ_ZERO, 1)
