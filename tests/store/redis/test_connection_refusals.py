"""Servers that answer, but will not do: the connection says why, and goes on trying."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from pytest_twisted import ensureDeferred

from chatroom.config.redis_address import RedisAddress
from chatroom.store.redis.connection import StoreRefused
from tests.doubles.scripted_redis import ScriptedRedis
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import until
from tests.store.redis.connecting import Connect, why

pytestmark = pytest.mark.usefixtures("logged")


@ensureDeferred
async def test_a_password_that_becomes_right_lets_it_in(
    own_valkey: Callable[..., Valkey], connect: Connect
) -> None:
    server = own_valkey()
    server.start()
    server.ask("ACL", "SETUSER", "chat", "on", ">right", "~*", "+@all")
    path = str(server.socket)
    connection = connect(RedisAddress(path=path, username="chat", password="new"))
    await until(lambda: "WRONGPASS" in connection.why_not)
    assert "WRONGPASS" in await why(connection)
    server.ask("ACL", "SETUSER", "chat", ">new")
    await connection.when_ready()
    assert await connection.call("ACL", "WHOAMI") == b"chat"
    nameless = connect(RedisAddress(path=path, password="secret"))
    await until(lambda: "password" in nameless.why_not)
    server.ask("CONFIG", "SET", "requirepass", "secret")
    await nameless.when_ready()


@ensureDeferred
async def test_the_database_is_chosen(valkey: Valkey, connect: Connect) -> None:
    third = connect(RedisAddress(path=str(valkey.socket), db=3))
    await third.when_ready()
    await third.call("SET", "here", "1")
    assert valkey.ask("EXISTS", "here") == b":0\r\n"
    absent = connect(RedisAddress(path=str(valkey.socket), db=9999))
    await until(lambda: "out of range" in absent.why_not)


@ensureDeferred
async def test_a_server_that_is_loading_is_waited_for(
    fake: ScriptedRedis, connect: Connect
) -> None:
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    fake.answer = lambda command: loading
    connection = connect(fake.address)
    await until(lambda: fake.taken >= 2)
    assert "LOADING" in await why(connection)
    fake.answer = lambda command: b"+PONG\r\n"
    await connection.when_ready()


@ensureDeferred
async def test_a_primary_that_became_a_replica_is_left(
    fake: ScriptedRedis, connect: Connect
) -> None:
    connection = connect(fake.address)
    await connection.when_ready()
    fake.answer = lambda command: b"-READONLY You can't write against a read only replica.\r\n"
    assert "READONLY" in await why(connection, "SET", "a", "b")
    fake.answer = lambda command: b"+OK\r\n"
    await until(lambda: fake.taken == 2)
    await connection.when_ready()


@ensureDeferred
async def test_a_full_server_refuses_and_says_so(
    own_valkey: Callable[..., Valkey], connect: Connect
) -> None:
    server = own_valkey("--maxmemory", "100kb")
    server.start()
    connection = connect(server.address)
    await connection.when_ready()
    post = msgspec.msgpack.encode([("1", "", "digest", "{}")])
    with pytest.raises(StoreRefused, match=r"OOM .* 'maxmemory'"):
        await connection.run("append_room", "lobby", 100, post)
    assert await connection.call("XLEN", "chatroom:room:lobby") == 0
    server.ask("CONFIG", "SET", "maxmemory", "0")
    await connection.run("append_room", "lobby", 100, post)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfe\r\n", b"$x\r\n"])
@ensureDeferred
async def test_what_is_no_redis_is_never_ready(
    fake: ScriptedRedis, connect: Connect, said: bytes
) -> None:
    fake.answer = lambda command: said
    connection = connect(fake.address)
    await until(lambda: fake.taken >= 2)
    assert not connection.ready
    assert await why(connection)


@ensureDeferred
async def test_a_server_that_hangs_up_is_tried_again_but_not_in_a_rush(
    fake: ScriptedRedis, connect: Connect
) -> None:
    def hang_up(command: list[bytes]) -> bytes:
        fake.links[-1].transport.loseConnection()
        return b""

    fake.answer = hang_up
    connection = connect(fake.address)
    await until(lambda: fake.taken == 3)
    assert fake.taken < 10
    assert "closed" in await why(connection)
