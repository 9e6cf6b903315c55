"""A Redis behind one address that moves to a promoted replica, while the old primary stays up."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.logger import formatEvent

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.passwords import Passwords
from chatroom.config.errors import StartError
from chatroom.config.redis_address import RedisAddress
from chatroom.node.node import Node
from chatroom.ops.preflight import check_redis
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import LOBBY, SEQ_ZERO, Seq
from chatroom.store.events import AccountStatusEvent, ReceivedEvent
from chatroom.store.records import Measure, StoreUnavailable
from chatroom.store.redis import bus
from chatroom.store.redis.store import RedisStore
from tests.doubles.proxy import Proxy
from tests.doubles.valkey import Valkey
from tests.serving import _at_once
from tests.store.contract.nodes import (
    HEARTBEAT,
    Recorder,
    Start,
    at_once,
    people,
    person,
    post,
    say,
    until,
)
from tests.store.redis.connecting import Connect
from tests.world import Client

#: A place that no clock of a test reaches.
LATER = "9999999999999-0"


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Pair:
    """A primary and its replica; what connects through ``proxy`` gets to one of them."""

    def __init__(self, make: Callable[..., Valkey], path: Path) -> None:
        # Replicas come by TCP, and a port that was free may be taken meanwhile.
        for _ in range(20):
            self._port = free_port()
            options = ("--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
            self.primary = make("--port", self._port, *options)
            with suppress(AssertionError):
                self.primary.start()
                break
        self.replica = make()
        self.replica.start()
        self.proxy = Proxy(reactor, self.primary.socket, path)
        self.address = RedisAddress(path=str(path))

    async def replicate(self) -> None:
        """Begin, and wait until the replica has it all."""
        self.replica.ask("REPLICAOF", "127.0.0.1", self._port)
        await until(lambda: b"master_link_status:up" in self.replica.ask("INFO", "replication"))

    def promote(self) -> None:
        """The replica is a primary from now on, and has what it has."""
        self.replica.ask("REPLICAOF", "NO", "ONE")

    def move(self) -> None:
        """What connects from now on gets to what was the replica."""
        self.proxy.target = self.replica.socket


@pytest.fixture
def pair(own_valkey: Callable[..., Valkey], short_folder: Path) -> Iterator[Pair]:
    pair = Pair(own_valkey, short_folder / "vip.sock")
    yield pair
    blockon(pair.proxy.stop())


async def say_until_taken(store: RedisStore, text: str) -> None:
    while True:
        try:
            await store.append_to_room(LOBBY, post(1, text, id=text))
        except StoreUnavailable:
            await store.connect()
        else:
            return


def hears_itself(store: RedisStore) -> bool:
    both = store._commands.ready and store._blocking.ready
    return both and store._bus._unheard <= bus.MOST_UNHEARD


def lines(logged: list[Any], text: str) -> list[str]:
    return [line for event in logged if text in (line := formatEvent(event))]


# ---- both connections go together


@ensureDeferred
async def test_after_a_failover_what_is_said_is_heard(
    pair: Pair, start: Start, logged: list[Any]
) -> None:
    store, told = await start(address=pair.address)
    await say(store, 1, "before")
    await until(lambda: told.room)
    # A heartbeat that the new primary lacks would be a loss, and rightly told.
    store._bus._heartbeat.stop()
    await pair.replicate()
    pair.promote()
    pair.move()
    # The old one stays up, and refuses to write; the bus's read there goes on in peace.
    pair.primary.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    pair.primary.ask("REPLICAOF", "127.0.0.1", "1")
    store._bus._heartbeat.start(HEARTBEAT).addErrback(lambda _: None)
    for number in range(3):
        await say_until_taken(store, f"after {number}")
    await until(lambda: len(told.room) == 4)
    assert told.texts() == ["before", "after 0", "after 1", "after 2"]
    assert told.losses == []
    await until(lambda: hears_itself(store))


@pytest.mark.parametrize("cut", ["_commands", "_blocking"])
@ensureDeferred
async def test_one_connection_does_not_stay_where_the_other_has_left(
    pair: Pair, start: Start, cut: str, logged: list[Any]
) -> None:
    """The old primary takes writes as before."""
    store, told = await start(address=pair.address)
    await pair.replicate()
    pair.promote()
    pair.move()
    getattr(store, cut)._protocol.transport.abortConnection()
    await until(lambda: lines(logged, "The connection to the store"))
    await say_until_taken(store, "after")
    await until(lambda: told.texts() == ["after"])
    assert pair.primary.ask("XLEN", "chatroom:room:lobby") == b":0\r\n"
    assert len(lines(logged, "The connection to the store")) == 1


@ensureDeferred
async def test_a_replica_is_not_used(pair: Pair, connect: Connect) -> None:
    await pair.replicate()
    pair.move()
    connection = connect(pair.address)
    await until(lambda: "it is a replica of 127.0.0.1:" in connection.why_not)
    assert not connection.ready
    with pytest.raises(StartError, match=r"a replica of 127\.0\.0\.1:\d+, .* give --redis"):
        check_redis(pair.replica.address, 5)
    pair.promote()
    await connection.when_ready()
    check_redis(pair.replica.address, 5)


class Crossed(Proxy):
    """Leads the first connection elsewhere than the second."""

    first = second = Path()

    @property
    def target(self) -> Path:
        return self.second if self.taken == 2 else self.first

    @target.setter
    def target(self, value: Path) -> None:
        """It is known which."""


@ensureDeferred
async def test_a_node_that_does_not_hear_itself_connects_anew(
    own_valkey: Callable[..., Valkey], start: Start, short_folder: Path, logged: list[Any]
) -> None:
    servers = [own_valkey(), own_valkey()]
    for server in servers:
        server.start()
    proxy = Crossed(reactor, Path(), short_folder / "vip.sock")
    proxy.first, proxy.second = (server.socket for server in servers)
    try:
        store, told = await start(address=RedisAddress(path=str(short_folder / "vip.sock")))
        await say(store, 1, "nobody hears")
        assert proxy.taken == 2
        await until(lambda: lines(logged, "does not hear its own heartbeats"))
        await until(lambda: told.room)
        await say_until_taken(store, "all hear")
        await until(lambda: told.texts() == ["nobody hears", "all hear"])
        await until(lambda: hears_itself(store))
        assert len(lines(logged, "The connection to the store")) == 1
        assert told.mail == []
    finally:
        await store.stop()
        await maybeDeferred(proxy.stop)


@ensureDeferred
async def test_who_hears_itself_stays_connected(start: Start, valkey: Valkey) -> None:
    store, told = await start()
    link = store._commands.link
    await until(lambda: store._bus._heard > 5)
    assert store._commands.link is link
    await until(lambda: hears_itself(store))
    assert told.mail == []


@ensureDeferred
async def test_a_heartbeat_that_is_due_while_the_connection_is_prepared_costs_nothing(
    start: Start,
) -> None:
    store, told = await start()
    store._bus._heartbeat.stop()
    link = store._commands.link
    await at_once([store._bus.reconnected(), store._bus._beat()])
    for number in range(4):
        await say(store, 1, f"{number}")
        await until(lambda: len(told.room) > number)  # noqa: B023  # it is over by then
    assert store._commands.link is link
    assert hears_itself(store)


# ---- a store that lost something, and whose clock is behind


def at_a_later_place(valkey: Valkey, stream: str, like: str) -> None:
    """Put what a stream holds last at a place in the future, as a clock that is ahead gives."""
    entry = valkey.ask("XREVRANGE", stream, "+", "-", "COUNT", "1")
    fields = [part for part in entry.split(b"\r\n") if part and part[:1] not in b"*$"][1:]
    assert like.encode() in b" ".join(fields)
    valkey.ask("XADD", stream, LATER, *(field.decode() for field in fields))


@ensureDeferred
async def test_what_is_said_to_a_store_that_lost_something_is_heard(
    pair: Pair, start: Start, logged: list[Any]
) -> None:
    store, told = await start(address=pair.address)
    await people(store, 1)
    await store.update_presence([person(1)], [])
    [kept] = await say(store, 1, "kept")
    await until(lambda: told.room)
    await pair.replicate()
    pair.promote()
    at_a_later_place(pair.primary, "chatroom:room:lobby", "kept")
    await until(lambda: len(told.room) == 2)
    pair.move()
    pair.proxy.cut()
    for number in range(8):
        await say_until_taken(store, f"new {number}")
    await until(lambda: len(told.room) == 10)
    assert told.texts()[2:] == [f"new {number}" for number in range(8)]
    assert told.losses == [kept]
    assert told.leases_lost == 1
    assert len(lines(logged, "holds less than this node has read")) == 1


@ensureDeferred
async def test_what_others_said_before_this_node_was_back_is_heard_as_well(
    pair: Pair, start: Start
) -> None:
    store, told = await start(address=pair.address)
    [kept] = await say(store, 1, "kept")
    await until(lambda: told.room)
    await pair.replicate()
    pair.promote()
    await say(store, 1, "lost")
    await until(lambda: len(told.room) == 2)
    elsewhere, _ = await start("two", address=pair.replica.address)
    pair.proxy.hold()
    said = await say(elsewhere, 2, "before and", "behind that place")
    assert said[-1] > told.room[-1].seq > kept
    pair.move()
    pair.proxy.cut()
    pair.proxy.release()
    await until(lambda: len(told.room) == 4)
    assert [entry.seq for entry in told.room[2:]] == said
    assert told.losses == [kept]


@ensureDeferred
async def test_what_concerns_users_is_heard_after_the_store_lost_some_of_it(
    pair: Pair, start: Start
) -> None:
    store, told = await start(address=pair.address)
    await people(store, 1)
    await store.update_presence([person(1)], [])
    await pair.replicate()
    pair.promote()
    events = "chatroom:node:one:events"
    pair.primary.ask("XADD", events, LATER, "u", "1", "k", "received", "o", "far", "s", "1-1")
    await until(lambda: told.mail_of(ReceivedEvent))
    pair.move()
    pair.proxy.cut()
    await until(lambda: told.losses)
    await store.update_presence([person(1)], [])
    await store.impose(1, Measure.MUTE, seconds=0, reason="")
    await until(lambda: told.mail_of(AccountStatusEvent))
    await until(lambda: hears_itself(store))


@ensureDeferred
async def test_who_comes_is_heard_after_the_store_lost_what_was_told(
    pair: Pair, start: Start
) -> None:
    node, told = await start(address=pair.address)
    # A heartbeat that the new primary lacks would be a loss, and rightly told.
    node._bus._heartbeat.stop()
    await pair.replicate()
    pair.promote()
    pair.primary.ask("XADD", "chatroom:presence", LATER, "n", "x", "p", "[]", "g", "[]", "r", "0")
    await until(lambda: [event for event in told.presence if event.node == "x"])
    pair.move()
    pair.proxy.cut()
    elsewhere, _ = await start("two", address=pair.replica.address)
    await elsewhere.update_presence([person(7)], [])
    await until(lambda: told.people("two"))
    assert told.losses == []


@pytest.mark.parametrize(
    "command",
    [
        ("XTRIM", "chatroom:room:lobby", "MAXLEN", "0"),
        ("XTRIM", "chatroom:presence", "MAXLEN", "0"),
        ("XTRIM", "chatroom:node:one:events", "MAXLEN", "0"),
        ("XDEL", "chatroom:room:lobby", "{newest}"),
        ("XDEL", "chatroom:room:lobby", "{newest}", "{first}"),
    ],
    ids=lambda it: " ".join(it[:2]),
)
@pytest.mark.parametrize("later", [False, True])
@ensureDeferred
async def test_what_was_trimmed_or_removed_is_not_taken_for_lost(
    start: Start,
    proxy: Proxy,
    through_proxy: RedisAddress,
    valkey: Valkey,
    command: tuple[str, ...],
    *,
    later: bool,
) -> None:
    store, told = await start(address=through_proxy)
    first, newest = await say(store, 1, "first", "newest")
    await until(lambda: len(told.room) == 2)
    proxy.hold()
    valkey.ask(*(word.format(first=first, newest=newest) for word in command))
    elsewhere, _ = await start("two")
    if later:
        await say(elsewhere, 2, "later")
    proxy.cut()
    proxy.release()
    await say(elsewhere, 2, "last")
    await until(lambda: told.texts()[-1] == "last")
    assert told.losses == []
    assert told.texts() == ["first", "newest", *["later"] * later, "last"]


@ensureDeferred
async def test_a_room_that_was_trimmed_by_itself_is_not_taken_for_lost(
    start: Start, proxy: Proxy, through_proxy: RedisAddress, valkey: Valkey
) -> None:
    _, told = await start(address=through_proxy)
    small = RedisStore(reactor, valkey.address, node="small", room_history=10)
    await small.start(Recorder(), [LOBBY])
    try:
        await say(small, 1, "first")
        await until(lambda: told.room)
        proxy.hold()
        await gatherResults([small.append_to_room(LOBBY, post(1, f"{n}")) for n in range(300)])
        proxy.cut()
        proxy.release()
        await say(small, 1, "last")
        await until(lambda: told.texts()[-1] == "last")
    finally:
        await small.stop()
    assert told.losses == []


@ensureDeferred
async def test_after_the_store_lost_all_it_is_heard_from_its_beginning(
    own_valkey: Callable[..., Valkey], start: Start
) -> None:
    server = own_valkey()
    server.start()
    store, told = await start(address=server.address)
    await say(store, 1, "before")
    at_a_later_place(server, "chatroom:room:lobby", "before")
    await until(lambda: len(told.room) == 2)
    server.kill()
    server.start()
    await say_until_taken(store, "after")
    await until(lambda: told.texts()[-1] == "after")
    assert told.losses == [SEQ_ZERO]


# ---- what people see


def logs_in(client: Client, user_id: int, **more: Any) -> None:
    client.says(wire.LoginMes(user_id=user_id, user_pwd="secret", **more))


async def comes(client: Client, kind: type[Any]) -> Any:
    """The next message of a kind; what came before it is passed over."""

    def there() -> bool:
        while client.got and not isinstance(client.got[0], kind):
            client.got.pop(0)
        return bool(client.got)

    await until(there)
    return client.got.pop(0)


def heard(client: Client) -> list[str]:
    """What an original client was told, without what it puts before it."""
    texts = [message.content for message in client.got if isinstance(message, wire.Text)]
    return [text.rpartition("] ")[2] for text in texts]


@pytest.mark.usefixtures("logged")
@ensureDeferred
async def test_sessions_that_know_more_than_the_store_are_told_so_and_go_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "HEARTBEAT", HEARTBEAT)
    store = RedisStore(reactor, pair.address, node="one", timeout=1)
    passwords = Passwords(_at_once, time_cost=1, memory_kib=8)
    clock: Any = reactor
    node = Node(clock, store, Accounts(store, passwords), name="one")
    await node.start()
    try:
        modern, original = Client(node), Client(node)
        for user_id, client, more in ((1, modern, {"protocol": 2}), (2, original, {})):
            user = wire.User(user_id=user_id, user_pwd="secret", user_name=f"user {user_id}")
            client.says(wire.RegisterMes(user=user))
            await comes(client, wire.RegisterResMes)
            logs_in(client, user_id, **more)
            assert (await comes(client, wire.LoginResMes)).code == 200
        original.says(wire.SmsMes(content="kept"))
        kept = Seq.parse((await comes(modern, wire.SmsMes)).seq)
        await pair.replicate()
        pair.promote()
        at_a_later_place(pair.primary, "chatroom:room:lobby", "kept")
        assert (await comes(modern, wire.SmsMes)).seq == LATER
        modern.says(wire.PrivateMes(content="for 2", to_user_id=2, id="p"))
        mine = (await comes(modern, wire.AckMes)).seq
        at_a_later_place(pair.primary, "chatroom:mailbox:2", "for 2")
        node.bus_events.lease_lost()
        await until(lambda: "for 2" in heard(original)[:-1])
        pair.move()
        pair.proxy.cut()
        ended = await comes(modern, wire.ErrorMes)
        assert (ended.code, ended.reconnect) == (409, True)
        back = Client(node)
        while True:
            logs_in(back, 1, protocol=2, resume=wire.Resume(rooms={LOBBY: LATER}, inbox=mine))
            answer = await comes(back, wire.LoginResMes)
            if answer.code == 200:
                break
            await store.connect()
        gone = await comes(back, wire.ErrorMes)
        assert gone.code == 410
        assert gone.rooms == {LOBBY: str(Seq(kept.ms, kept.n + 1))}
        assert gone.inbox == "0-1"
        # The original client can't come back by itself: it goes on.
        assert not original.gone
        back.says(wire.SmsMes(content="new", id="new"))
        back.says(wire.PrivateMes(content="new for 2", to_user_id=2, id="new p"))
        assert {(await comes(back, wire.AckMes)).id for _ in range(2)} == {"new", "new p"}
        await until(lambda: {"new", "new for 2"} <= {*heard(original)})
    finally:
        await node.stop()
        await store.stop()
