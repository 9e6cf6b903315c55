"""Looks each second how much room the private store's disk has, so that it never is quite full.

While less than a reserve is left, nothing new is taken in: the reserve is for what goes on (logins,
marks, what operators do), and for what one second brings. On a disk that is full all the same the
store refuses to write, and what it could not write is not acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

#: Seconds between two looks.
INTERVAL: Final = 1.0
#: Bytes that are kept in reserve; of a small disk this share of it.
RESERVE: Final = 16 * 1024 * 1024
SHARE: Final = 1 / 16
#: By so much more must be free before new messages are taken again: not to go to and fro.
AGAIN: Final = 1.25

_log = Logger()


class DiskSpace:
    """Tells whether there is room, in a loop.

    :param folder: on the disk that is looked at.
    :param tell: called with what holds now whenever that has changed; there is room at first.
    """

    def __init__(self, reactor: Any, folder: Path, tell: Callable[[bool], None]) -> None:
        self._reactor = reactor
        self._folder = folder
        self._tell = tell
        self._has_room = True
        self._loop = LoopingCall(self._look_in_thread)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if not self._loop.running:
            self._loop.start(INTERVAL, now=True).addErrback(
                lambda failure: _log.failure("The disk's room is not looked at any more", failure)
            )

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _look_in_thread(self) -> Deferred[None]:
        # In a thread: a network's file system may take its time.
        pool = self._reactor.getThreadPool()
        looking = deferToThreadPool(self._reactor, pool, os.statvfs, self._folder)
        return looking.addCallbacks(self.looked, self._failed)

    @staticmethod
    def _failed(failure: Failure) -> None:
        _log.failure("How much room the disk has is not known", failure)

    def looked(self, disk: os.statvfs_result) -> None:
        """Take in how the disk was found."""
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
