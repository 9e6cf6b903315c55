"""Valkeys, connections to them, and what can come between, for the tests of the store."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import blockon
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import LogLevel, globalLogPublisher

from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY
from chatroom.store.redis import bus
from chatroom.store.redis.connection import Connection
from chatroom.store.redis.store import RedisStore
from tests.doubles.proxy import Proxy
from tests.doubles.scripted_redis import ScriptedRedis
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import HEARTBEAT, LIFETIME, Recorder, Start
from tests.store.redis.connecting import TIMEOUT, Connect

pytest.register_assert_rewrite(
    *("tests.store.contract.accounts", "tests.store.contract.bus"),
    *("tests.store.contract.limits", "tests.store.contract.mailboxes"),
    *("tests.store.contract.marks", "tests.store.contract.moderation"),
    *("tests.store.contract.rooms", "tests.store.contract.times"),
)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for sockets: pytest's own have paths longer than a socket's may be."""
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared_valkey(valkey_binary: Path) -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        server = Valkey(valkey_binary, Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A Valkey with nothing in it."""
    shared_valkey.ask("FLUSHALL")
    shared_valkey.ask("SCRIPT", "FLUSH")
    return shared_valkey


@pytest.fixture
def own_valkey(valkey_binary: Path, short_folder: Path) -> Iterator[Callable[..., Valkey]]:
    """Makes Valkeys that one test may freeze, kill and start again as it likes."""
    servers: list[Valkey] = []

    def make(*options: str) -> Valkey:
        own = short_folder / str(len(servers))
        own.mkdir()
        servers.append(Valkey(valkey_binary, own, *options))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What was logged; nothing may have been left unhandled."""
    events: list[Any] = []
    publisher: Any = globalLogPublisher
    gc.freeze()  # else collecting what this test leaves would take longer than the test
    publisher.addObserver(events.append)
    yield events
    gc.collect()
    gc.unfreeze()
    publisher.removeObserver(events.append)
    assert [event for event in events if event["log_level"] is LogLevel.critical] == []


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connections, and ends them after the test."""
    made: list[Connection] = []

    def connect(
        address: RedisAddress,
        on_ready: Callable[[], Awaitable[None]] | None = None,
        *,
        timeout: float = TIMEOUT,
        clock: Any = reactor,
    ) -> Connection:
        one = Connection(clock, address, timeout=timeout, on_ready=on_ready)
        made.append(one)
        one.start()
        return one

    yield connect
    blockon(gatherResults([Deferred.fromCoroutine(one.stop()) for one in made]))


@pytest.fixture
def proxy(valkey: Valkey, short_folder: Path) -> Iterator[Proxy]:
    proxy = Proxy(reactor, valkey.socket, short_folder / "proxy.sock")
    yield proxy
    blockon(proxy.stop())


@pytest.fixture
def fake(short_folder: Path) -> Iterator[ScriptedRedis]:
    fake = ScriptedRedis(reactor, short_folder / "fake.sock")
    yield fake
    blockon(fake.stop())


@pytest.fixture
def start(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts nodes, and stops them after the test."""
    monkeypatch.setattr(bus, "NODE_LIFETIME", LIFETIME)
    monkeypatch.setattr(bus, "HEARTBEAT", HEARTBEAT)
    stores: list[RedisStore] = []

    async def start(
        name: str = "one", *, address: RedisAddress = valkey.address, told: Any = None
    ) -> tuple[RedisStore, Any]:
        store = RedisStore(reactor, address, node=name, timeout=120)
        stores.append(store)
        told = told or Recorder()
        await store.start(told, [LOBBY])
        return store, told

    yield start
    blockon(gatherResults([Deferred.fromCoroutine(store.stop()) for store in stores]))


@pytest.fixture
def through_proxy(proxy: Proxy, short_folder: Path) -> RedisAddress:
    return RedisAddress(path=str(short_folder / "proxy.sock"))
