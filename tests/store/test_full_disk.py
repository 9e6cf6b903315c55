"""A disk that is full: what the store could not write is told to nobody as done.

Valkey keeps in memory what it could not append to its file, and answers all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import LogLevel

from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.events import Ending
from chatroom.store.records import Account, Action, Measure, StoreUnavailable, Token
from chatroom.store.redis.connection import NotWritten
from chatroom.store.redis.store import RedisStore
from tests.doubles.proxy import Proxy
from tests.doubles.scripted_redis import ScriptedRedis
from tests.doubles.small_disk import PAGE, SmallDisk, mounted
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import Start, people, person, post, say, tell, until
from tests.store.redis.connecting import Connect

pytestmark = pytest.mark.usefixtures("logged")


@pytest.fixture
def disk(short_folder: Path) -> Iterator[SmallDisk]:
    with mounted(short_folder, "8m") as disk:
        yield disk


@pytest.fixture
def on_disk(valkey_binary: Path, disk: SmallDisk) -> Iterator[Valkey]:
    """A Valkey whose append-only file lies on the small disk."""
    options = ("--appendonly", "yes", "--appendfsync", "no")
    server = Valkey(valkey_binary, disk.folder, *options)
    server.start()
    yield server
    server.kill()


def leave_no_room(valkey: Valkey, disk: SmallDisk) -> None:
    """The next write fails, however small it is: the file ends where its last page does."""
    (file,) = disk.folder.glob("appendonlydir/*.incr.aof")
    valkey.ask("SET", "p", "")
    record = len("*3\r\n$3\r\nSET\r\n$1\r\np\r\n$1000\r\n\r\n")
    missing = -(file.stat().st_size + record + 1000) % PAGE
    valkey.ask("SET", "p", "x" * (1000 + missing))
    assert file.stat().st_size % PAGE == 0
    disk.fill()


def crash_with_room(valkey: Valkey, disk: SmallDisk) -> None:
    valkey.kill()
    disk.free()
    valkey.start()


def failed(valkey: Valkey) -> bool:
    return b"aof_last_write_status:err" in valkey.ask("INFO", "persistence")


def said(logged: list[Any], text: str) -> list[Any]:
    return [event for event in logged if text in event["log_format"]]


async def say_much(store: RedisStore, count: int = 60) -> None:
    """More than a file's last page takes; given in one step, so that it meets the full disk."""
    given = [store.append_to_room(LOBBY, post(1, "x" * 1500, id=f"m{n}")) for n in range(count)]
    await gatherResults(given)


@ensureDeferred
async def test_what_could_not_be_written_is_not_handed_out_and_so_not_acknowledged(
    start: Start, on_disk: Valkey, disk: SmallDisk, logged: list[Any]
) -> None:
    store, told = await start(address=on_disk.address)
    await say(store, 1, "written")
    await until(lambda: told.texts() == ["written"])
    disk.fill()
    await say_much(store)
    assert failed(on_disk)
    await until(lambda: said(logged, "Nothing is acknowledged") or len(told.room) > 1)
    assert told.texts() == ["written"]
    crash_with_room(on_disk, disk)
    # Nor is it handed out later: it is gone.
    while True:
        try:
            await say(store, 1, "after")
            break
        except StoreUnavailable:
            await store.connect()
    await until(lambda: len(told.room) > 1)
    assert told.texts() == ["written", "after"]
    assert told.room == await store.room_after(LOBBY, SEQ_ZERO, 100)


@ensureDeferred
async def test_once_there_is_room_what_waited_is_handed_out(
    start: Start, on_disk: Valkey, disk: SmallDisk, logged: list[Any]
) -> None:
    store, told = await start(address=on_disk.address)
    await people(store, 1, 2)
    await store.update_presence([person(1)], [])
    disk.fill()
    await tell(store, 2, 1, "x" * 10_000)
    with pytest.raises(StoreUnavailable, match="MISCONF"):
        await say(store, 1, "refused")
    await until(lambda: said(logged, "Nothing is acknowledged"))
    assert told.mail == []
    disk.free()
    await until(lambda: told.mail)
    await until(lambda: said(logged, "writes its file again"))
    assert len(said(logged, "Nothing is acknowledged")) == 1


@ensureDeferred
async def test_who_catches_up_is_not_given_what_could_not_be_written(
    on_disk: Valkey, disk: SmallDisk
) -> None:
    store = RedisStore(reactor, on_disk.address, node="one")
    await store.connect()
    try:
        await people(store, 1, 2)
        await say(store, 1, "written")
        leave_no_room(on_disk, disk)
        await say_much(store, 3)
        with pytest.raises(NotWritten):
            await store.room_after(LOBBY, SEQ_ZERO, 10)
        # To look at what is there is no promise.
        assert len((await store.room_before(LOBBY, None, 10)).entries) == 4
        disk.free()
        await until(lambda: not failed(on_disk))
        assert len(await store.room_after(LOBBY, SEQ_ZERO, 10)) == 4
    finally:
        await store.stop()


async def _changed_password(store: RedisStore) -> object:
    account = await store.account(1)
    assert account is not None
    return await store.replace_password(account, "another", void_tokens=True)


async def _received(store: RedisStore) -> None:
    [entry] = await store.mailbox_after(1, SEQ_ZERO, 10)
    await store.mark_received(1, entry.seq, "phone")


async def _read(store: RedisStore) -> None:
    [entry] = await store.mailbox_after(1, SEQ_ZERO, 10)
    await store.mark_read(1, 2, entry.seq, "phone")


DONE: dict[str, Callable[[RedisStore], Awaitable[object]]] = {
    "registering": lambda it: it.create_account(Account(user_id=3, name="Cid", password="h")),
    "a new password": _changed_password,
    "a status": lambda it: it.set_status(1, 2),
    "a token": lambda it: it.create_token("d", Token(user_id=1, generation=0), lifetime=99),
    "a token's end": lambda it: it.delete_token("old"),
    "a received mark": _received,
    "a read mark": _read,
    "a ban": lambda it: it.impose(1, Measure.BAN, seconds=0, reason="spam"),
    "a ban's end": lambda it: it.lift(2, Measure.BAN),
    "a network's ban": lambda it: it.ban_addresses("192.0.2.0/24", seconds=0, reason="spam"),
    "a deletion": lambda it: it.delete_account(1),
    "what operators asked": lambda it: it.record(Action(name="ban")),
    "sessions' end": lambda it: it.end_sessions(1, Ending.KICKED),
}


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
@ensureDeferred
async def test_nothing_is_said_to_be_done_that_could_not_be_written(
    on_disk: Valkey, disk: SmallDisk, done: Callable[[RedisStore], Awaitable[object]]
) -> None:
    store = RedisStore(reactor, on_disk.address, node="one")
    await store.connect()
    try:
        await people(store, 1, 2)
        await tell(store, 2, 1, "hello")
        await store.create_token("old", Token(user_id=1, generation=0), lifetime=99)
        await store.impose(2, Measure.BAN, seconds=0, reason="spam")
        # As if a node held the user, so that there is somebody to tell.
        on_disk.ask("SADD", "chatroom:nodes", "far")
        on_disk.ask("SET", "chatroom:node:far:alive", "run")
        on_disk.ask("HSET", "chatroom:node:far:users", "1", "{}")
        leave_no_room(on_disk, disk)
        with pytest.raises(NotWritten):
            await done(store)
    finally:
        await store.stop()


# ---- asking


@ensureDeferred
async def test_a_redis_that_does_not_say_is_taken_at_its_word(
    start: Start, on_disk: Valkey
) -> None:
    on_disk.ask("ACL", "SETUSER", "mute", "on", ">secret", "~*", "&*", "+@all", "-info", "-role")
    path = on_disk.address.path
    store, told = await start(address=RedisAddress(path=path, username="mute", password="secret"))
    await people(store, 1)
    await say(store, 1, "hello")
    await until(lambda: told.texts() == ["hello"])


@ensureDeferred
async def test_those_who_are_answered_together_ask_together(
    fake: ScriptedRedis, connect: Connect
) -> None:
    asked: list[list[bytes]] = []

    def answer(command: list[bytes]) -> bytes:
        asked.append(command)
        return b"$3\r\nall\r\n" if command[0] == b"INFO" else b"+OK\r\n"

    fake.answer = answer
    connection = connect(fake.address)
    await connection.when_ready()
    await gatherResults([connection.confirm() for _ in range(10)])
    await connection.confirm()
    assert asked.count([b"INFO", b"persistence"]) == 2


@ensureDeferred
async def test_who_waits_for_the_answer_fails_when_the_connection_is_lost(
    valkey: Valkey, proxy: Proxy, through_proxy: RedisAddress, connect: Connect
) -> None:
    connection = connect(through_proxy)
    await connection.when_ready()
    proxy.hold()
    for waiting in (connection.confirm(), _asked(connection)):
        proxy.cut()
        with pytest.raises(StoreUnavailable):
            await waiting
        proxy.release()
        await connection.when_ready()
        proxy.hold()
    proxy.release()
    stopped = connection.confirm()
    await connection.stop()
    with pytest.raises(StoreUnavailable):
        await stopped
    with pytest.raises(StoreUnavailable, match="stopped"):
        await connection.confirm()


def _asked(connection: Any) -> Deferred[None]:
    return Deferred.fromCoroutine(connection.ask_whether_written())


@ensureDeferred
async def test_a_refusal_is_said_once_though_it_was_asked_in_between(
    fake: ScriptedRedis, connect: Connect, logged: list[Any]
) -> None:
    fake.answer = lambda command: b"-MISCONF no\r\n" if command[0] == b"SET" else b"+OK\r\n"
    connection = connect(fake.address)
    await connection.when_ready()
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="MISCONF"):
            await connection.call("SET", "a", "b")
        await connection.confirm()
    assert len([event for event in logged if event["log_level"] is LogLevel.error]) == 1
