"""A Redis that others run is looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.durability_check import advice
from chatroom.store.redis.store import RedisStore
from tests.doubles.scripted_redis import ScriptedRedis
from tests.doubles.valkey import Valkey
from tests.store.redis.connecting import Connect

FINE = """\
redis_version:7.2.4
aof_enabled:1
maxmemory_policy:noeviction
cluster_enabled:0
"""


async def said(fake: ScriptedRedis, connect: Connect, info: str) -> list[str]:
    """What is said of a server that says this of itself."""

    def answer(command: list[bytes]) -> bytes:
        if command == [b"INFO"]:
            return f"${len(info)}\r\n{info}\r\n".encode()
        return b"+PONG\r\n"

    fake.answer = answer
    connection = connect(fake.address)
    await connection.when_ready()
    return await advice(connection)


@ensureDeferred
async def test_a_server_that_keeps_what_it_is_given_is_fine(
    own_valkey: Callable[..., Valkey],
) -> None:
    server = own_valkey("--appendonly", "yes")
    server.start()
    store = RedisStore(reactor, server.address, node="one")
    await store.connect()
    assert await store.advice() == []
    server.ask("CONFIG", "SET", "appendonly", "no")
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    append_only, eviction = await store.advice()
    assert "append-only" in append_only
    assert "allkeys-lru" in eviction
    await store.stop()


@ensureDeferred
async def test_each_promise_that_is_not_kept_is_one_line(
    fake: ScriptedRedis, connect: Connect
) -> None:
    assert await said(fake, connect, FINE) == []
    [line] = await said(fake, connect, FINE.replace("aof_enabled:1", "aof_enabled:0"))
    assert line == (
        "The Redis has no append-only file: messages that were acknowledged are lost when it stops "
        "or crashes; set 'appendonly yes'"
    )
    [line] = await said(fake, connect, FINE.replace("noeviction", "volatile-ttl"))
    assert line == (
        "The Redis drops data when its memory is full (volatile-ttl), messages among it; "
        "set 'maxmemory-policy noeviction'"
    )


@ensureDeferred
async def test_what_it_does_not_say_could_not_be_checked(
    fake: ScriptedRedis, connect: Connect
) -> None:
    lines = await said(fake, connect, "redis_version:7.2.4\r\n")
    assert len(lines) == 2
    assert all("could not be checked" in line for line in lines)


@ensureDeferred
async def test_a_server_that_refuses_to_tell_could_not_be_checked(
    valkey: Valkey, connect: Connect
) -> None:
    connection = connect(valkey.address)
    await connection.when_ready()
    valkey.ask("ACL", "SETUSER", "default", "-info")
    try:
        [line] = await advice(connection)
    finally:
        valkey.ask("ACL", "SETUSER", "default", "+info")
    assert "could not be checked" in line
    assert "NOPERM" in line


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("7.2.4", "6.2.14"), "Redis 6.2.14 is too old: 7.0 or newer"),
        (("cluster_enabled:0", "cluster_enabled:1"), "Redis Cluster"),
    ],
)
@ensureDeferred
async def test_a_server_that_can_not_do_what_is_needed_is_an_error(
    fake: ScriptedRedis, connect: Connect, change: tuple[str, str], why: str
) -> None:
    with pytest.raises(StoreUnavailable, match=why):
        await said(fake, connect, FINE.replace(*change))


@ensureDeferred
async def test_out_of_reach_is_an_error_too(fake: ScriptedRedis, connect: Connect) -> None:
    connection = connect(fake.address)
    with pytest.raises(StoreUnavailable):
        await advice(connection)
