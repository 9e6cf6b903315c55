"""The connection to Redis: it fails fast, says why, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from chatroom.config.redis_address import RedisAddress
from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.connection import MAX_RETRY_DELAY, Connection, StoreRefused
from tests.doubles.proxy import Proxy
from tests.doubles.scripted_redis import ScriptedRedis
from tests.doubles.valkey import Valkey
from tests.ports import deaf_port
from tests.store.contract.nodes import until
from tests.store.redis.connecting import TIMEOUT, Connect, why

pytestmark = pytest.mark.usefixtures("logged")


# ---- while all is well


@ensureDeferred
async def test_commands_are_answered_in_order(valkey: Valkey, connect: Connect) -> None:
    connection = connect(valkey.address)
    await connection.when_ready()
    calls = [Deferred.fromCoroutine(connection.call("INCR", "n")) for _ in range(1000)]
    assert await gatherResults(calls) == list(range(1, 1001))


@ensureDeferred
async def test_replies_of_any_shape_and_size_are_read(valkey: Valkey, connect: Connect) -> None:
    connection = connect(valkey.address)
    await connection.when_ready()
    big = bytes(range(256)) * 4096
    await connection.call("SET", "big", big)
    assert await connection.call("GET", "big") == big
    await connection.call("SET", "number", "007")
    assert await connection.call("MGET", "number", "none") == [b"007", None]
    nested = "return {1, {'a', {}, {'b', {2}}}, '', {'', {false}}}"
    assert await connection.call("EVAL", nested, 0) == [
        1,
        [b"a", [], [b"b", [2]]],
        b"",
        [b"", [None]],
    ]
    assert await connection.call("XREAD", "STREAMS", "nothing", "0") is None


@ensureDeferred
async def test_a_script_that_the_server_forgot_is_loaded_again(
    valkey: Valkey, connect: Connect
) -> None:
    connection = connect(valkey.address)
    await connection.when_ready()
    assert await connection.run("create_account", 1, "name", "Ann") == 1
    await connection.call("SCRIPT", "FLUSH")
    assert await connection.run("create_account", 1, "name", "Ann") == 0


@ensureDeferred
async def test_a_refused_command_leaves_the_connection_as_it_is(
    valkey: Valkey, connect: Connect, logged: list[Any]
) -> None:
    connection = connect(valkey.address)
    await connection.when_ready()
    for _ in range(3):
        with pytest.raises(StoreRefused, match="unknown command"):
            await connection.call("NONSENSE")
    assert connection.ready
    errors = [event for event in logged if event["log_level"] is LogLevel.error]
    assert len(errors) == 1, "said once"
    with pytest.raises(StoreRefused):
        await connection.call("NONSENSE", "2", quiet=True)
    assert len([event for event in logged if event["log_level"] is LogLevel.error]) == 1


# ---- out of reach


@ensureDeferred
async def test_without_a_server_commands_fail_at_once_and_say_why(
    short_folder: Path, connect: Connect
) -> None:
    nobody = connect(RedisAddress(path=str(short_folder / "nobody.sock")))
    assert await why(nobody)
    await until(lambda: "No such file" in nobody.why_not)
    assert "No such file" in await why(nobody)
    with deaf_port() as port:
        refused = connect(RedisAddress(host="127.0.0.1", port=port))
        await until(lambda: "refused" in refused.why_not)
    lost = connect(RedisAddress(host="no-such-host.invalid"))
    await until(lambda: "no-such-host.invalid" in lost.why_not)


@ensureDeferred
async def test_it_connects_as_soon_as_the_server_is_there(
    own_valkey: Callable[..., Valkey], connect: Connect
) -> None:
    server = own_valkey()
    connection = connect(server.address)
    await until(lambda: "No such file" in connection.why_not)
    server.start()
    await connection.when_ready()
    server.kill()
    await until(lambda: not connection.ready)
    assert await why(connection)
    server.start()
    await connection.when_ready()
    assert await connection.call("PING") in (b"PONG", "PONG")


def test_however_often_it_failed_it_tries_again_soon() -> None:
    clock = MemoryReactorClock()
    connection = Connection(clock, RedisAddress(path="/nobody.sock"), timeout=TIMEOUT)
    connection.start()
    for tries in range(1, 20):
        assert len(clock.unixClients) == tries
        clock.unixClients[-1][1].clientConnectionFailed(None, Failure(ConnectError("nobody")))
        clock.advance(1.25 * MAX_RETRY_DELAY)


@ensureDeferred
async def test_a_server_that_froze_fails_commands_in_time_and_recovers(
    own_valkey: Callable[..., Valkey], connect: Connect, short_folder: Path
) -> None:
    server = own_valkey()
    server.start()
    before_it = Proxy(reactor, server.socket, short_folder / "before.sock")
    connection = connect(RedisAddress(path=str(short_folder / "before.sock")), timeout=0.2)
    await connection.when_ready()
    server.freeze()
    calls = [Deferred.fromCoroutine(connection.call("PING")) for _ in range(10)]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=r"no answer within 0.2 s"):
            await call
    tries = before_it.taken
    await until(lambda: before_it.taken >= tries + 2)
    again = Deferred.fromCoroutine(why(connection))
    assert again.called, "it fails at once"
    assert "no answer" in await again
    server.thaw()
    await connection.when_ready()
    await connection.stop()
    stopped = before_it.stop()
    assert stopped is not None
    await stopped


@ensureDeferred
async def test_trying_again_in_the_moment_of_failure_fails_at_once(
    proxy: Proxy, connect: Connect, short_folder: Path
) -> None:
    connection = connect(RedisAddress(path=str(short_folder / "proxy.sock")), timeout=0.2)
    await connection.when_ready()
    proxy.hold()

    async def stubborn() -> int:
        tries = 0
        while connection.ready:
            tries += 1
            with pytest.raises(StoreUnavailable):
                await connection.call("PING")
        return tries

    assert await gatherResults([Deferred.fromCoroutine(stubborn()) for _ in range(3)]) == [1, 1, 1]
    proxy.release()
    await connection.when_ready()


@ensureDeferred
async def test_a_connection_cut_before_the_reply_fails_the_command_that_was_done(
    proxy: Proxy, connect: Connect, valkey: Valkey, short_folder: Path
) -> None:
    connection = connect(RedisAddress(path=str(short_folder / "proxy.sock")))
    await connection.when_ready()
    proxy.cut_after(b"INCR")
    assert await why(connection, "INCR", "n")
    assert valkey.ask("GET", "n") == b"$1\r\n1\r\n"
    await connection.when_ready()
    assert await connection.call("INCR", "n") == 2


@ensureDeferred
async def test_all_that_is_in_flight_fails_when_the_connection_is_cut(
    proxy: Proxy, connect: Connect, short_folder: Path, logged: list[Any]
) -> None:
    connection = connect(RedisAddress(path=str(short_folder / "proxy.sock")))
    await connection.when_ready()
    proxy.hold()
    calls = [Deferred.fromCoroutine(connection.call("PING")) for _ in range(100)]
    waiting = connection.when_ready()
    assert waiting.called
    proxy.cut()
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call
    assert [e for e in logged if e["log_level"] is LogLevel.warn], "the loss is logged"
    proxy.release()
    await connection.when_ready()


# ---- preparing


@ensureDeferred
async def test_what_has_to_come_first_comes_first_each_time(
    proxy: Proxy, connect: Connect, short_folder: Path
) -> None:
    replies: list[Any] = []

    async def prepare() -> None:
        replies.append(await connection.call("INCR", "prepared"))

    connection = connect(RedisAddress(path=str(short_folder / "proxy.sock")), prepare)
    await connection.when_ready()
    assert replies == [1]
    proxy.cut()
    await until(lambda: not connection.ready)
    await connection.when_ready()
    assert replies == [1, 2]


@pytest.mark.parametrize("error", [StoreUnavailable("not yet"), ValueError("a bug")])
@ensureDeferred
async def test_a_preparation_that_fails_is_tried_again(
    valkey: Valkey, connect: Connect, error: Exception
) -> None:
    failing = [True]

    async def prepare() -> None:
        if failing:
            raise error

    connection = connect(valkey.address, prepare)
    await until(lambda: connection.why_not == str(error))
    assert not connection.ready
    failing.clear()
    await connection.when_ready()


# ---- stopping


@ensureDeferred
async def test_stopping_fails_what_is_in_flight_and_stays_stopped(
    proxy: Proxy, connect: Connect, short_folder: Path, logged: list[Any]
) -> None:
    connection = connect(RedisAddress(path=str(short_folder / "proxy.sock")))
    await connection.when_ready()
    proxy.hold()
    call = Deferred.fromCoroutine(connection.call("PING"))
    await connection.stop()
    with pytest.raises(StoreUnavailable):
        await call
    assert await why(connection) == "stopped"
    with pytest.raises(StoreUnavailable, match="stopped"):
        await connection.when_ready()
    await until(lambda: not proxy.links)
    assert proxy.taken == 1
    assert [event for event in logged if event["log_level"] >= LogLevel.warn] == []
    await connection.stop()


class OwnCalls:
    """The reactor, which many use, and what was left to it by this way."""

    def __init__(self) -> None:
        self._calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def callLater(self, *call: Any, **named: Any) -> Any:  # noqa: N802  # the reactor's name
        self._calls.append(cast("Any", reactor).callLater(*call, **named))
        return self._calls[-1]

    def to_come(self) -> list[Any]:
        """What is to happen later than at once."""
        now = cast("Any", reactor).seconds()
        return [call for call in self._calls if call.active() and call.getTime() > now]


@ensureDeferred
async def test_it_can_be_stopped_while_it_connects(
    fake: ScriptedRedis, connect: Connect, short_folder: Path
) -> None:
    clock = OwnCalls()
    fake.answer = lambda command: b""
    greeting = connect(fake.address, clock=clock)
    await until(lambda: fake.taken)
    nobody = connect(RedisAddress(path=str(short_folder / "nobody.sock")), clock=clock)
    await until(clock.to_come)
    for connection in (greeting, nobody):
        waiting = connection.when_ready()
        await connection.stop()
        with pytest.raises(StoreUnavailable, match="stopped"):
            await waiting
    assert clock.to_come() == [], "it means to come back"
    connect(fake.address)
    await until(lambda: fake.taken > 1)
    assert fake.taken == 2, "it came back"
    await Connection(reactor, fake.address, timeout=TIMEOUT).stop()


@ensureDeferred
async def test_who_no_longer_waits_is_forgotten(short_folder: Path, connect: Connect) -> None:
    connection = connect(RedisAddress(path=str(short_folder / "nobody.sock")))
    waiting = connection.when_ready()
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    assert waiting.called
