"""Checks each second how much room the private store's disk has, so that it never is quite full.

While less than a reserve is left, new messages and accounts are refused: the reserve is for the
rest (logins, marks, what operators do), and for what one second brings. On a disk that is full all
the same the store refuses to write, and what it could not write is not acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger

from chatroom.store.valkey.disk_loop import DiskLoop

#: Bytes that are kept in reserve; of a small disk this share of it.
RESERVE: Final = 16 * 1024 * 1024
SHARE: Final = 1 / 16
#: Messages are taken again once this many reserves are free, so as not to switch to and fro.
AGAIN: Final = 1.25

_log = Logger()


class DiskSpace(DiskLoop):
    """Watches the free space.

    :param folder: any on that disk.
    :param tell: called with whether there is room, when that changes; there is at first.
    """

    failed = "Free disk space could not be read"
    now = True

    def __init__(self, reactor: Any, folder: Path, tell: Callable[[bool], None]) -> None:
        super().__init__(reactor)
        self._folder = folder
        self._tell = tell
        self._has_room = True

    def work(self) -> os.statvfs_result:
        return os.statvfs(self._folder)

    def done(self, disk: os.statvfs_result) -> None:
        free = disk.f_bavail * disk.f_frsize
        reserve = min(RESERVE, disk.f_blocks * disk.f_frsize * SHARE)
        if self._has_room and free < reserve:
            self._has_room = False
            _log.error(
                "The disk of {folder} is nearly full ({free} KiB left): new messages and accounts "
                "are refused until {needed} KiB are free; make room there",
                folder=self._folder,
                free=free // 1024,
                needed=round(reserve * AGAIN / 1024),
            )
            self._tell(False)
        elif not self._has_room and free >= reserve * AGAIN:
            self._has_room = True
            _log.info("The disk of {folder} has room again", folder=self._folder)
            self._tell(True)
