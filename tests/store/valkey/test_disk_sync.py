"""What was written reaches the disk once a second, and a disk that refuses is no secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from chatroom.store.valkey import disk
from chatroom.store.valkey.disk import INTERVAL, DiskSync


class Reactor(Clock):
    """A clock whose thread pool runs everything at once."""

    def getThreadPool(self) -> None:  # noqa: N802  # Twisted's name
        return None


def at_once(_reactor: Any, _pool: Any, work: Any) -> Deferred[Any]:
    """`deferToThreadPool` with no threads."""
    deferred: Deferred[Any] = Deferred()
    try:
        deferred.callback(work())
    except OSError:
        deferred.errback()
    return deferred


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were synced, in order."""
    names: list[str] = []

    def fsync(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(disk, "deferToThreadPool", at_once)
    return names


@pytest.fixture
def reactor() -> Any:
    return Reactor()


def test_what_grew_is_synced_each_second_and_nothing_else(
    tmp_path: Path, reactor: Any, synced: list[str]
) -> None:
    (tmp_path / "a.1.base.rdb").write_text("never changes")
    file = tmp_path / "a.1.incr.aof"
    file.write_text("one")
    sync = DiskSync(reactor, tmp_path)
    sync.start()
    sync.start()
    reactor.advance(INTERVAL)
    assert synced == ["a.1.incr.aof"]
    reactor.advance(INTERVAL)
    assert synced == ["a.1.incr.aof"]
    file.write_text("one and two")
    reactor.advance(INTERVAL)
    assert synced == ["a.1.incr.aof"] * 2
    sync.stop()
    sync.stop()
    file.write_text("and three")
    reactor.advance(INTERVAL)
    assert synced == ["a.1.incr.aof"] * 2


def test_a_file_that_a_rewrite_took_away_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: [tmp_path / "gone.incr.aof"])
    DiskSync(Reactor(), tmp_path).work()


def test_a_disk_that_refuses_is_logged_and_asked_again(
    tmp_path: Path,
    reactor: Any,
    synced: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a.1.incr.aof").write_text("one")
    sync = DiskSync(reactor, tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda _: os.close(-1))
        sync.start()
        reactor.advance(INTERVAL)
    assert said == ["The append-only file could not be synced to the disk"]
    reactor.advance(INTERVAL)
    assert synced == ["a.1.incr.aof"]
    sync.stop()
