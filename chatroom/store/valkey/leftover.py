"""Finds a private store that outlived its chat server, by its lock, and stops it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from chatroom.config.data_folder import usable
from chatroom.config.errors import StartError

#: Seconds that it has to end by itself, and then to be gone once it is killed.
PATIENCE: Final = 2.0
#: Where Linux tells of processes; elsewhere ps does.
PROC: Final = Path("/proc")

_log = Logger()


def stop_leftover(lock: Path, config: Path) -> None:
    """Stop the store that holds ``lock``, if one does, and wait until it is gone.

    Blocks: for before the reactor runs. On Linux there is hardly ever one, since the kernel ends it
    with its chat server; a store that was frozen then, or another system, leaves one.

    :param config: the configuration it was started with, by which it is known before it is
        signalled.
    :raises StartError: it does not go, or can't be told from a stranger's process.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = holder(lock)
        if process is None:
            return
        if str(config) not in _command_line(process):
            # It may just be going, or just coming and not have written its id yet.
            if _gone_soon(lock):
                return
            raise StartError(
                f"another process holds {lock}, and it is not process {process} that is named "
                "there: end the valkey-server that is using this folder"
            )
        _log.warn(
            "Stopping process {process}, the private store that an earlier chat server left here",
            process=process,
        )
        # It may be gone by now, or another user's; the lock tells.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
        if _gone_soon(lock):
            return
    raise StartError(
        f"the private store that an earlier chat server left in {lock.parent}, process "
        f"{holder(lock)}, does not end: end it"
    )


def holder(lock: Path) -> int | None:
    """The process that holds the lock, None if none does; 0 where it did not say who it is.

    :raises StartError: the lock can't be looked at.
    """
    with usable(lock.parent):
        try:
            file = os.open(lock, os.O_RDWR)
        except FileNotFoundError:
            return None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        text = os.read(file, 20).strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(file)


def _gone_soon(lock: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holder(lock) is None:
            return True
        time.sleep(0.01)
    return False


def _command_line(process: int) -> str:
    if (PROC / "self" / "cmdline").exists():
        try:
            return (PROC / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    return subprocess.run(  # nosec B603, B607 # noqa: S603 - a number is all that is put in
        ["ps", "-ww", "-o", "command=", "-p", str(process)],  # noqa: S607 - the system's own
        capture_output=True,
        text=True,
        check=False,
    ).stdout
