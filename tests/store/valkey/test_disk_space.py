"""While the disk is nearly full nothing new is taken in, and the log says what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from chatroom.store.records import Account, StoreUnavailable, Token
from chatroom.store.redis.store import RedisStore
from chatroom.store.valkey.disk import INTERVAL, RESERVE, DiskSpace
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import people, say, tell
from tests.store.valkey.test_disk_sync import Reactor, at_once

BIG = 100 * 1024 * 1024 * 1024


class Disk:
    """What `os.statvfs` says; an error where that is set."""

    def __init__(self) -> None:
        self.size = BIG
        self.free = BIG // 2
        self.error: OSError | None = None

    def look(self, path: Path) -> Any:
        if self.error is not None:
            raise self.error
        page = 4096
        return os.statvfs_result(
            (page, page, self.size // page, 0, self.free // page, 0, 0, 0, 0, 0)
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()

    monkeypatch.setattr(os, "statvfs", disk.look)
    monkeypatch.setattr("chatroom.store.valkey.disk.deferToThreadPool", at_once)
    return disk


@pytest.fixture
def clock() -> Any:
    return Reactor()


@pytest.fixture
def told(clock: Any, disk: Disk, tmp_path: Path) -> Iterator[list[bool]]:
    told: list[bool] = []
    space = DiskSpace(clock, tmp_path, told.append)
    space.start()
    space.start()
    yield told
    space.stop()
    space.stop()
    disk.free = 0 if disk.free else BIG
    count = len(told)
    clock.advance(INTERVAL)
    assert len(told) == count, "it has ended"


def test_it_is_told_when_less_than_the_reserve_is_left_and_when_that_is_over(
    told: list[bool], clock: Any, disk: Disk, said: list[str]
) -> None:
    clock.advance(INTERVAL)
    assert (told, said) == ([], [])
    disk.free = RESERVE - 4096
    clock.advance(INTERVAL)
    clock.advance(INTERVAL)
    assert told == [False]
    [line] = said
    assert "nearly full (16380 KiB left)" in line
    assert "make room there" in line
    disk.free = RESERVE + 4096
    clock.advance(INTERVAL)
    assert told == [False], "not to and fro"
    disk.free = 2 * RESERVE
    clock.advance(INTERVAL)
    assert told == [False, True]
    assert "has room again" in said[-1]
    assert len(said) == 2


def test_of_a_small_disk_less_is_kept_in_reserve(told: list[bool], clock: Any, disk: Disk) -> None:
    disk.size, disk.free = 16 * 1024 * 1024, 1024 * 1024
    clock.advance(INTERVAL)
    assert told == []
    disk.free -= 4096
    clock.advance(INTERVAL)
    assert told == [False]


def test_a_disk_that_can_not_be_looked_at_is_said_and_looked_at_again(
    told: list[bool], clock: Any, disk: Disk, said: list[str]
) -> None:
    disk.error = OSError(5, "Input/output error")
    clock.advance(INTERVAL)
    assert "could not be read" in said[-1]
    disk.error, disk.free = None, 0
    clock.advance(INTERVAL)
    assert told == [False]


@ensureDeferred
async def test_without_room_messages_and_accounts_are_refused_and_the_rest_goes_on(
    valkey: Valkey,
) -> None:
    store = RedisStore(reactor, valkey.address, node="one")
    await store.connect()
    try:
        await people(store, 1, 2)
        store.has_room(False)
        for asked in (
            say(store, 1, "hello"),
            tell(store, 1, 2, "hello"),
            store.create_account(Account(user_id=3, name="Cid", password="h")),
        ):
            with pytest.raises(StoreUnavailable, match="nearly full"):
                await asked
        await store.create_token("digest", Token(user_id=1, generation=0), lifetime=60)
        await store.set_status(1, 2)
        store.has_room(True)
        await say(store, 1, "hello")
    finally:
        await store.stop()
