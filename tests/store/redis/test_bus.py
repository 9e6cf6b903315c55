"""The bus on a real Valkey, when connections break and odd things lie in the streams."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.events import PresenceEvent, PrivateEvent
from chatroom.store.records import Outcome, Receipt, StoreUnavailable, Token
from chatroom.store.redis.lua import SCRIPTS
from chatroom.store.redis.store import RedisStore
from tests.doubles.proxy import Proxy
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import (
    HEARTBEAT,
    Recorder,
    Start,
    people,
    person,
    post,
    say,
    tell,
    until,
)


async def send_until_stored(store: RedisStore, number: int) -> Receipt:
    """Send a message as a client does: again under the same id, until it is answered."""
    message = post(1, f"text {number}", id=f"id {number}")
    while True:
        try:
            return await store.append_to_room(LOBBY, message)
        except StoreUnavailable:
            await deferLater(clock(), 0.01)


def clock() -> Any:
    return reactor


@ensureDeferred
async def test_however_often_connections_are_cut_nothing_is_lost_doubled_or_out_of_order(
    start: Start, proxy: Proxy, through_proxy: RedisAddress
) -> None:
    store, told = await start(address=through_proxy)
    elsewhere, told_elsewhere = await start("two")
    cutting = [clock().callLater(0.07 * turn, proxy.cut) for turn in range(1, 12)]
    receipts = {}
    for number in range(1000):
        if number % 10 == 0:
            await deferLater(clock(), 0.005)
        receipts[number] = Deferred.fromCoroutine(send_until_stored(store, number))
    await gatherResults(list(receipts.values()))
    await until(lambda: not any(call.active() for call in cutting))
    await until(lambda: len(told.room) >= 1000)
    stored = await elsewhere.room_after(LOBBY, SEQ_ZERO, 2000)
    assert sorted(entry.post.id for entry in stored) == sorted(f"id {n}" for n in range(1000))
    assert told.room == stored
    assert told_elsewhere.room == stored


@ensureDeferred
async def test_a_message_whose_answer_was_lost_is_stored_once(
    start: Start, proxy: Proxy, through_proxy: RedisAddress, valkey: Valkey
) -> None:
    store, told = await start(address=through_proxy)
    await say(store, 1, "so that the script is known")
    proxy.cut_after(b"EVALSHA")
    with pytest.raises(StoreUnavailable):
        await store.append_to_room(LOBBY, post(1, "hi", id="a"))
    await until(lambda: "hi" in told.texts())
    await store.connect()
    receipt = await store.append_to_room(LOBBY, post(1, "hi", id="a"))
    assert (receipt.outcome, receipt.seq) == (Outcome.DUPLICATE, told.room[1].seq)
    assert valkey.ask("XLEN", "chatroom:room:lobby") == b":2\r\n"


@ensureDeferred
async def test_private_messages_that_came_while_the_bus_was_cut_are_delivered_once(
    start: Start, proxy: Proxy, through_proxy: RedisAddress
) -> None:
    one, told = await start("one", address=through_proxy)
    two, _ = await start("two")
    await people(two, 1, 2)
    await one.update_presence([person(1)], [])
    for number in range(30):
        if number % 10 == 5:
            proxy.cut()
        await tell(two, 2, 1, f"text {number}")
    await until(lambda: len(told.mail) >= 30)
    assert [event.entry.post.content for event in told.mail_of(PrivateEvent)] == [
        f"text {number}" for number in range(30)
    ]


@ensureDeferred
async def test_who_went_while_the_connection_was_cut_is_gone_after_it(
    start: Start, proxy: Proxy, through_proxy: RedisAddress, valkey: Valkey
) -> None:
    _, told = await start("one", address=through_proxy)
    two, _ = await start("two")
    await two.update_presence([person(2)], [])
    await until(lambda: told.people("two"))
    proxy.hold()
    await two.stop()
    valkey.ask("DEL", "chatroom:presence")
    valkey.ask("SREM", "chatroom:nodes", "two")
    assert told.people("two")
    proxy.cut()
    proxy.release()
    await until(lambda: not told.people("two"))


@ensureDeferred
async def test_what_a_lapsed_node_still_said_is_cleared_when_it_never_comes_back(
    start: Start, valkey: Valkey
) -> None:
    one, _ = await start("one")
    await start("two")
    one._bus._heartbeat.stop()
    valkey.ask("DEL", "chatroom:node:one:alive")
    await until(lambda: valkey.ask("SISMEMBER", "chatroom:nodes", "one") == b":0\r\n")
    await one.update_presence([person(1)], [])
    await until(lambda: valkey.ask("EXISTS", "chatroom:node:one:users") == b":0\r\n")


@ensureDeferred
async def test_a_node_that_lapsed_learns_whose_account_was_deleted_meanwhile(
    start: Start, valkey: Valkey
) -> None:
    one, told = await start("one")
    two, _ = await start("two")
    await people(two, 1)
    await say(one, 1, "hello")
    one._bus._heartbeat.stop()
    valkey.ask("DEL", "chatroom:node:one:alive")
    await until(lambda: valkey.ask("SISMEMBER", "chatroom:nodes", "one") == b":0\r\n")
    await two.delete_account(1)
    one._bus._heartbeat.start(HEARTBEAT).addErrback(lambda _: None)
    await until(lambda: told.leases_lost)
    await until(lambda: one._bus._deleted == {1})
    [entry] = (await one.room_before(LOBBY, None, 1)).entries
    assert (entry.post.name, told.moderation) == ("", [])


@ensureDeferred
async def test_a_node_that_lapsed_learns_so_also_where_the_answer_was_lost(
    start: Start, proxy: Proxy, through_proxy: RedisAddress, valkey: Valkey
) -> None:
    _, told = await start(address=through_proxy)
    known = ("SCRIPT", "EXISTS", SCRIPTS["heartbeat"].sha)
    await until(lambda: valkey.ask(*known) == b"*1\r\n:1\r\n")
    proxy.cut_after(b"EVALSHA")
    valkey.ask("DEL", "chatroom:node:one:alive")
    await until(lambda: told.leases_lost)


@pytest.mark.parametrize("trouble", ["", "connection", "stopped"])
@ensureDeferred
async def test_a_status_is_set_once_this_node_was_told_of_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    store, told = await start()
    await people(store, 1)
    await store.update_presence([person(1)], [])
    await until(lambda: told.people("one"))
    written: Deferred[None] = Deferred()

    async def until_written(_: object) -> None:
        await written

    monkeypatch.setattr(store._bus, "_until_written", until_written)
    setting = Deferred.fromCoroutine(store.set_status(1, 2))
    # What is asked later is answered later.
    await store.create_token("digest", Token(user_id=1, generation=0), lifetime=60)
    assert not setting.called
    if not trouble:
        written.callback(None)
        await setting
        assert told.people("one") == {1: person(1, status=2)}
        return
    if trouble == "connection":
        store._blocking.drop("a test")
    else:
        await store._bus.leave()
    with pytest.raises(StoreUnavailable):
        await setting
    written.errback(StoreUnavailable("lost"))


# ---- what lies in the streams


@ensureDeferred
async def test_what_can_not_be_read_is_left_out_alone(start: Start, valkey: Valkey) -> None:
    store, told = await start()
    await people(store, 1)
    await store.update_presence([person(1)], [])
    await say(store, 1, "before")
    for stream in ("room:lobby", "presence", "node:one:events", "mailbox:1"):
        valkey.ask("XADD", f"chatroom:{stream}", "*", "m", "nonsense", "k", "private", "u", "x")
    await say(store, 1, "after")
    await tell(store, 1, 1, "a note")
    await store.set_status(1, 2)
    await until(lambda: told.people("one") == {1: person(1, status=2)})
    await until(lambda: told.texts() == ["before", "after"])
    await until(lambda: len(told.mail) == 1)
    page = await store.room_before(LOBBY, None, 10)
    assert [entry.post.content for entry in page.entries] == ["before", "after"]
    assert len(await store.mailbox_after(1, SEQ_ZERO, 10)) == 1
    assert len((await store.mailbox_before(1, 1, None, 10)).entries) == 1


class Clumsy(Recorder):
    """A listener that fails at everything, after it noted it."""

    def room_entries(self, room: str, entries: Any) -> None:
        super().room_entries(room, entries)
        raise ValueError("room")

    def mailbox_events(self, events: Any) -> None:
        super().mailbox_events(events)
        raise ValueError("mail")

    def presence_event(self, event: PresenceEvent) -> None:
        super().presence_event(event)
        raise ValueError("presence")

    def lease_lost(self) -> None:
        super().lease_lost()
        raise ValueError("lapsed")


@ensureDeferred
async def test_a_listener_that_fails_stops_neither_bus_nor_heartbeat(
    start: Start, valkey: Valkey
) -> None:
    await start("two")
    store, told = await start("one", told=Clumsy())
    await people(store, 1)
    await store.update_presence([person(1)], [])
    for number in range(3):
        await say(store, 1, f"text {number}")
        await tell(store, 1, 1, f"note {number}")
    await until(lambda: len(told.room) == len(told.mail) == 3)
    valkey.ask("DEL", "chatroom:node:one:alive")
    await until(lambda: told.leases_lost == 1)
    valkey.ask("DEL", "chatroom:node:one:alive")
    await until(lambda: told.leases_lost == 2)


@ensureDeferred
async def test_events_that_were_read_do_not_pile_up(start: Start, valkey: Valkey) -> None:
    store, told = await start()
    await people(store, 1)
    await store.update_presence([person(1)], [])
    for number in range(50):
        await tell(store, 1, 1, f"note {number}")
    await until(lambda: len(told.mail) == 50)
    await until(lambda: valkey.ask("XLEN", "chatroom:node:one:events") <= b":1\r\n")
