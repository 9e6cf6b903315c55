"""Files of a private store that are missing, torn or damaged: seen at the start, and mended."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chatroom.admin.arguments import arguments
from chatroom.admin.main import run
from chatroom.admin.output import Output
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.redis.store import RedisStore, StoreEmpty
from chatroom.store.valkey import append_only
from chatroom.store.valkey.supervisor import PrivateStore
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import people, say, until

ADMIN = str(Path(sys.executable).parent / "chatroom-admin")
MANIFEST = append_only.MANIFEST


class Checked(NamedTuple):
    """How it ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Place:
    """A data folder, the private store that runs there, and its files."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.appended = data / "store" / append_only.FOLDER
        self._folder: DataFolder | None = None
        self._store: PrivateStore | None = None

    @property
    def incr(self) -> Path:
        (path,) = self.appended.glob("*.incr.aof")
        return path

    @property
    def base(self) -> Path:
        (path,) = self.appended.glob("*.base.rdb")
        return path

    async def run(self) -> PrivateStore:
        """Start the store, as the server does."""
        self._folder = DataFolder(self.data)
        self._folder.open()
        self._store = PrivateStore(reactor, self._folder)
        self._store.check()
        self._store.startService()
        await self._store.when_ready()
        return self._store

    async def stop(self) -> None:
        if self._store is not None and self._store.running:
            await self._store.stopService()
        if self._folder is not None:
            self._folder.close()

    async def asked(self, *texts: str) -> list[str]:
        """Run the store, say something in it, and stop it; gives all that it holds then."""
        private = await self.run()
        store = RedisStore(reactor, private.address, node="one", timeout=30)
        try:
            await store.connect()
            private.remember_id(await store.identify(private.known_id))
            await say(store, 1, *texts)
            return [one.post.content for one in await store.room_after(LOBBY, SEQ_ZERO, 100)]
        finally:
            await store.stop()
            await self.stop()

    def check(self, *options: str) -> Checked:
        """Do what ``chatroom-admin check-store`` does."""
        args = arguments(["check-store", "--data", str(self.data), *options], {})
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(stderr):
            output = Output(json=args.json, stream=stdout)
            running = Deferred.fromCoroutine(run(reactor, args, output))
        results: list[int] = []
        running.addCallback(results.append)
        [status] = results
        return Checked(status, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def place(short_folder: Path, valkey_binary: Path) -> Iterator[Place]:
    place = Place(short_folder / "data")
    yield place
    blockon(Deferred.fromCoroutine(place.stop()))


# ---- less than there was


def without_manifest(place: Place) -> None:
    (place.appended / MANIFEST).unlink()


def with_an_empty_manifest(place: Place) -> None:
    (place.appended / MANIFEST).write_text("")


def with_a_manifest_of_garbage(place: Place) -> None:
    (place.appended / MANIFEST).write_bytes(b"\0\xff'garbage\n")


def without_what_was_appended(place: Place) -> None:
    place.incr.unlink()


def without_its_base(place: Place) -> None:
    place.base.unlink()


def without_all_its_files(place: Place) -> None:
    for file in place.appended.iterdir():
        file.unlink()


def without_its_folder(place: Place) -> None:
    without_all_its_files(place)
    place.appended.rmdir()
    for file in (place.data / "store").iterdir():
        file.unlink()
    (place.data / "store").rmdir()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (without_manifest, f"no {MANIFEST}.*put it back.*check-store --repair"),
        (with_an_empty_manifest, "names no part.*put it back"),
        (with_a_manifest_of_garbage, "can't be read.*put it back"),
        (without_what_was_appended, "incr.aof, a part of .* is missing; put it back"),
        (without_its_base, "base.rdb, a part of .* is missing; put it back"),
        (without_all_its_files, "data is gone.*put it back.*remove .*store-id"),
        (without_its_folder, "data is gone.*put it back.*remove .*store-id"),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
@ensureDeferred
async def test_a_store_that_would_hold_less_than_it_did_is_not_started(
    place: Place, harm: Callable[[Place], None], words: str
) -> None:
    assert await place.asked("kept") == ["kept"]
    harm(place)
    with pytest.raises(StartError, match=words) as caught:
        await place.run()
    assert "\n" not in str(caught.value)


@ensureDeferred
async def test_one_that_comes_up_empty_though_its_files_are_there_is_known(place: Place) -> None:
    await place.asked("kept")
    place.incr.write_bytes(b"")
    with pytest.raises(StoreEmpty):
        await place.asked()
    (place.data / "store-id").unlink()
    assert await place.asked("anew") == ["anew"]


@ensureDeferred
async def test_a_store_from_before_there_were_ids_opens_and_gets_one(place: Place) -> None:
    await place.asked("kept")
    (place.data / "store-id").unlink()
    private = await place.run()
    Valkey.ask(_at(private), "DEL", "chatroom:store")
    await place.stop()
    assert await place.asked() == ["kept"]
    found = (place.data / "store-id").read_text()
    assert await place.asked() == ["kept"]
    assert (place.data / "store-id").read_text() == found


@ensureDeferred
async def test_a_backup_of_another_folder_or_of_an_older_version_opens(
    place: Place, tmp_path: Path
) -> None:
    await place.asked("kept")
    (place.data / "store-id").write_text("another\n")
    assert await place.asked() == ["kept"]
    assert (place.data / "store-id").read_text() != "another\n"
    private = await place.run()
    Valkey.ask(_at(private), "DEL", "chatroom:store")
    await place.stop()
    assert await place.asked() == ["kept"]


@ensureDeferred
async def test_a_first_start_that_was_cut_short_is_no_loss(place: Place) -> None:
    await place.run()
    await place.stop()
    (place.appended / MANIFEST).unlink()
    assert await place.asked("first") == ["first"]


@ensureDeferred
async def test_a_running_store_that_dies_is_not_started_on_less(
    place: Place, said: list[str]
) -> None:
    private = await place.run()
    store = RedisStore(reactor, private.address, node="one", timeout=30)
    try:
        await store.connect()
        private.remember_id(await store.identify(private.known_id))
        await people(store, 1)
        manifest = (place.appended / MANIFEST).rename(place.data / MANIFEST)
        os.kill(int((place.data / "store" / "valkey.lock").read_text()), 9)
        await until(lambda: any("can't be started again" in line for line in said))
        manifest.rename(place.appended / MANIFEST)
        await store.connect()
        assert await store.account(1) is not None
    finally:
        await store.stop()


def _at(private: PrivateStore) -> Any:
    """The private store as `Valkey.ask` wants it."""
    return type("At", (), {"socket": private.address.path})()


# ---- damaged


def zeros_at_the_end(place: Place) -> int:
    with place.incr.open("ab") as file:
        file.write(b"\0" * 5000)
    return 5000


def garbage_in_the_middle(place: Place) -> int:
    whole = place.incr.read_bytes()
    begin = whole.rindex(b"*3\r\n$3\r\nSET\r\n$6\r\nmiddle")
    # None that the file's format knows at a line's beginning, as a comment's or a command's.
    place.incr.write_bytes(whole[:begin] + b"\xde\xad\xbe\xef\x00" + whole[begin + 5 :])
    return len(whole) - begin


def torn(place: Place) -> int:
    whole = place.incr.read_bytes()
    begin = whole.rindex(b"*3\r\n$3\r\nSET\r\n$3\r\nend")
    place.incr.write_bytes(whole[:-7])
    return len(whole) - 7 - begin


async def filled(place: Place) -> None:
    """Before "middle" 2 messages, behind it 3, and then "end"."""
    private = await place.run()
    store = RedisStore(reactor, private.address, node="one", timeout=30)
    try:
        await store.connect()
        private.remember_id(await store.identify(private.known_id))
        await say(store, 1, "one", "two")
        Valkey.ask(_at(private), "SET", "middle", "x")
        await say(store, 1, "three", "four", "five")
        Valkey.ask(_at(private), "SET", "end", "x")
    finally:
        await store.stop()
        await place.stop()


@pytest.mark.parametrize(
    ("harm", "left", "lost"),
    [
        (zeros_at_the_end, 5, 0),
        (garbage_in_the_middle, 2, 3),
        (torn, 5, 0),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
@ensureDeferred
async def test_what_is_damaged_is_told_and_cut_off_and_kept(
    place: Place, harm: Callable[[Place], int], left: int, lost: int
) -> None:
    await filled(place)
    assert place.check().returncode == 0
    cut = harm(place)
    before = place.incr.read_bytes()
    told = place.check()
    assert told.returncode == 1
    assert f"{len(before)} bytes, of which the last {cut} can't be read" in told.stdout
    assert "with --repair" in told.stderr
    assert place.incr.read_bytes() == before, "only looked at"
    mended = place.check("--repair", "--json")
    assert (mended.returncode, mended.stderr) == (0, "")
    [copy] = json.loads(mended.stdout)["cut"]
    assert (copy["bytes"], copy["messages"]) == (cut, lost)
    [kept] = place.data.glob("store/cut-*/*")
    assert str(kept) == copy["copy"]
    assert place.incr.read_bytes() + kept.read_bytes() == before
    assert kept.stat().st_mode & 0o077 == 0
    again = place.check()
    assert (again.returncode, again.stderr) == (0, "")
    assert "whole" in again.stdout
    assert len(await place.asked()) == left


@pytest.mark.parametrize("harm", [zeros_at_the_end, garbage_in_the_middle])
@ensureDeferred
async def test_a_start_on_damaged_files_says_what_helps(
    place: Place, harm: Callable[[Place], int]
) -> None:
    await filled(place)
    harm(place)
    with pytest.raises(StartError, match="chatroom-admin check-store --data") as caught:
        await place.run()
    assert str(place.data) in str(caught.value)
    assert "\n" not in str(caught.value)


@ensureDeferred
async def test_a_torn_end_that_the_store_cut_off_is_said(place: Place, said: list[str]) -> None:
    await filled(place)
    cut = torn(place)
    assert len(await place.asked()) == 5
    [line] = [line for line in said if "was torn" in line]
    assert f"{cut} bytes" in line


@ensureDeferred
async def test_a_damaged_base_is_told_and_left_alone(place: Place) -> None:
    await filled(place)
    whole = place.base.read_bytes()
    place.base.write_bytes(whole[:30] + b"\xff\xff" + whole[32:])
    told = place.check()
    assert told.returncode == 1
    assert "put back a backup" in told.stderr
    mended = place.check("--repair")
    assert mended.returncode == 1
    assert "can't be mended" in mended.stderr
    assert list((place.data / "store").glob("cut-*")) == []


@ensureDeferred
async def test_parts_behind_a_damaged_one_are_cut_off_as_well(place: Place) -> None:
    await filled(place)
    garbage_in_the_middle(place)
    second = place.appended / place.incr.name.replace(".1.incr", ".2.incr")
    first = place.incr
    second.write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n")
    with (place.appended / MANIFEST).open("a") as file:
        file.write(f"file {second.name} seq 2 type i\n")
    mended = place.check("--repair", "--json")
    copies = [Path(copy["copy"]).stem for copy in json.loads(mended.stdout)["cut"]]
    assert copies == [first.name, second.name]
    assert second.read_bytes() == b""
    assert len(await place.asked()) == 2


@ensureDeferred
async def test_a_manifest_is_written_anew(place: Place) -> None:
    await filled(place)
    was = (place.appended / MANIFEST).read_text().split()
    (place.appended / MANIFEST).unlink()
    assert "check-store --repair" in place.check().stderr
    mended = place.check("--repair")
    assert (mended.returncode, mended.stderr) == (0, "")
    assert (place.appended / MANIFEST).read_text().split() == was
    assert len(await place.asked()) == 5


@ensureDeferred
async def test_where_two_bases_lie_the_manifest_is_not_guessed(place: Place) -> None:
    await filled(place)
    (place.appended / "appendonly.aof.2.base.rdb").write_bytes(place.base.read_bytes())
    (place.appended / MANIFEST).unlink()
    mended = place.check("--repair")
    assert mended.returncode == 1
    assert "which parts" in mended.stderr
    assert not (place.appended / MANIFEST).exists()


@ensureDeferred
async def test_nothing_is_checked_while_the_store_runs(place: Place) -> None:
    private = await place.run()
    assert "in use by the chat server" in place.check("--repair").stderr
    assert place._folder is not None
    place._folder.close()
    assert "the store runs still, as process" in place.check("--repair").stderr
    assert private.running


def test_where_no_store_is_it_says_so(tmp_path: Path) -> None:
    command = [ADMIN, "check-store", "--data", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "there is no private store" in told.stderr
    assert list(tmp_path.iterdir()) == []
