"""The data folder: made, checked, and locked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from tests.system.lab import alive, until

Opener = Callable[..., DataFolder]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")
NOBODY = (65534, 65534)


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens a data folder, and closes it after the test."""
    folders = []

    def open_folder(path: Path, owner: tuple[int, int] | None = None) -> DataFolder:
        folder = DataFolder(path, owner)
        folder.open()
        folders.append(folder)
        return folder

    yield open_folder
    for folder in folders:
        folder.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_is_made_for_nobody_else_to_see(tmp_path: Path, opened: Opener) -> None:
    folder = opened(tmp_path / "a" / "b")
    folder.node_name()
    folder.subfolder("store")
    assert mode(folder.path) == mode(folder.path / "store") == 0o700
    assert mode(folder.path / "lock") == mode(folder.path / "node") == 0o600


def test_a_second_server_is_refused_by_name(tmp_path: Path, opened: Opener) -> None:
    opened(tmp_path / "data")
    with pytest.raises(StartError) as caught:
        opened(tmp_path / "data")
    assert str(caught.value) == (
        f"data folder {tmp_path}/data is in use by the chat server with process id {os.getpid()}; "
        "stop it or give --data another folder"
    )


def test_it_can_be_opened_again_once_it_is_closed(tmp_path: Path, opened: Opener) -> None:
    opened(tmp_path).close()
    opened(tmp_path)


def test_the_lock_goes_on_in_a_forked_process_and_not_in_a_started_one(
    tmp_path: Path, opened: Opener
) -> None:
    # As twistd does it: opened, then forked, and the first process ends.
    code = (
        "import os, pathlib, subprocess, sys\n"
        "from chatroom.config.data_folder import DataFolder\n"
        f"folder = DataFolder(pathlib.Path({str(tmp_path)!r})); folder.open()\n"
        "if os.fork(): os._exit(0)\n"
        "folder.record_process()\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(os.getpid(), child.pid, flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        daemon, sleeper = process.stdout.readline().split()
        try:
            process.wait()  # which holds the lock too, until it has ended
            with pytest.raises(StartError, match=f"process id {daemon};"):
                opened(tmp_path)
            process.stdin.close()
            # The forked process holds the pipe's other end, and its child too.
            until(lambda: not alive(int(daemon)))
            opened(tmp_path)
        finally:
            os.kill(int(sleeper), 9)


def test_the_node_has_one_name_for_good(tmp_path: Path, opened: Opener) -> None:
    first = opened(tmp_path / "a").node_name()
    assert first == DataFolder(tmp_path / "a").node_name()
    assert first != opened(tmp_path / "b").node_name()


def test_what_is_no_folder_is_refused(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="is not a folder; give --data another one"):
        opened(tmp_path / "file")
    with pytest.raises(StartError, match=r"can't be used by user \w+: Not a directory"):
        opened(tmp_path / "file" / "below")


def test_a_folder_that_everybody_can_write_to_is_refused(tmp_path: Path, opened: Opener) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StartError, match="every user of this machine can write to"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, opened: Opener) -> None:
    # A folder where the lock should be: what fails for root too.
    (tmp_path / "lock").mkdir()
    with pytest.raises(StartError, match=r"Is a directory .*/lock\); give --data another folder"):
        opened(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "node").mkdir()
    folder = opened(tmp_path / "x")
    with pytest.raises(StartError, match="Is a directory"):
        folder.node_name()
    (tmp_path / "x" / "store").symlink_to("nowhere/at/all")
    with pytest.raises(StartError, match="can't be used"):
        folder.subfolder("store")


def test_who_has_not_opened_it_cannot_hold_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        DataFolder(tmp_path).record_process()


@needs_root
def test_a_new_folder_is_given_to_the_user_that_the_server_changes_to(
    tmp_path: Path, opened: Opener
) -> None:
    folder = opened(tmp_path / "data", NOBODY)
    folder.node_name()
    for path in (folder.path, folder.path / "lock", folder.path / "node", folder.subfolder("s")):
        assert (path.stat().st_uid, path.stat().st_gid) == NOBODY


@needs_root
def test_another_users_folder_is_left_alone(tmp_path: Path, opened: Opener) -> None:
    with pytest.raises(StartError, match=r"belongs to user root, .* chown -R \w+ it"):
        opened(tmp_path, NOBODY)
    os.chown(tmp_path, 54321, -1)
    with pytest.raises(StartError, match="belongs to user 54321"):
        opened(tmp_path, NOBODY)


@needs_root
def test_what_root_makes_in_somebodys_folder_belongs_to_them(
    tmp_path: Path, opened: Opener
) -> None:
    os.chown(tmp_path, *NOBODY)
    folder = opened(tmp_path)
    folder.node_name()
    for made in (folder.subfolder("store"), tmp_path / "lock", tmp_path / "node"):
        status = made.stat()
        assert (status.st_uid, status.st_gid) == NOBODY
