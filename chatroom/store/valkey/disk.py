"""What is done on the private store's disk once a second: checking its free space, and syncing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

#: Seconds between two runs; the next one waits for the one before.
INTERVAL: Final = 1.0
#: Bytes that are kept in reserve; of a small disk this share of it.
RESERVE: Final = 16 * 1024 * 1024
SHARE: Final = 1 / 16
#: Messages are taken again once this many reserves are free, so as not to switch to and fro.
AGAIN: Final = 1.25

_log = Logger()


class DiskLoop:
    """Runs `work` from `start` to `stop`, and goes on when it failed."""

    #: The log line when `work` failed.
    failed: ClassVar[str]
    #: Whether the first run is at once, not after `INTERVAL`.
    now: ClassVar[bool] = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._loop = LoopingCall(self._work_in_thread)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if not self._loop.running:
            self._loop.start(INTERVAL, self.now).addErrback(
                lambda failure: _log.failure("{loop} stopped", failure, loop=type(self).__name__)
            )

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _work_in_thread(self) -> Deferred[None]:
        # In a thread: a network's file system may take its time.
        pool = self._reactor.getThreadPool()
        working = deferToThreadPool(self._reactor, pool, self.work)
        return working.addCallbacks(self.done, lambda failure: _log.failure(self.failed, failure))

    def work(self) -> Any:
        """What is done in the thread; may raise `OSError`."""
        raise NotImplementedError

    def done(self, result: Any) -> None:
        """Take in what `work` gave, in the reactor's thread."""


class DiskSpace(DiskLoop):
    """Checks how much room there is, so that the disk never is quite full.

    While less than a reserve is left, new messages and accounts are refused: the reserve is for the
    rest (logins, marks, what operators do), and for what one second brings. On a disk that is full
    all the same the store refuses to write, and what it could not write is not acknowledged.

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


class DiskSync(DiskLoop):
    """Syncs what has grown of the append-only file, from outside the store.

    Valkey could do that itself (``appendfsync everysec``). But while its own sync is under way on a
    busy disk it holds back what it would write, for up to two seconds, and answers all the same:
    whatever kills it then takes what was acknowledged with it. Told not to sync at all it writes
    before each answer, so that what was acknowledged is the kernel's and outlives the process; and
    the second that a crash of the machine may cost is kept here.

    What is not on the disk yet when it stops, Valkey brings there when it ends in order.

    :param folder: where Valkey keeps the parts of its append-only file.
    """

    failed = "The append-only file could not be synced to the disk"

    def __init__(self, reactor: Any, folder: Path) -> None:
        super().__init__(reactor)
        self._folder = folder
        self._sizes: dict[Path, int] = {}

    def work(self) -> None:
        """Bring what was written since the last time to the disk, and wait for that.

        :raises OSError: the disk does not take it.
        """
        for file in self._folder.glob("*.incr.aof"):
            try:
                descriptor = os.open(file, os.O_RDONLY)
            except FileNotFoundError:
                # A rewrite has put another one in its place.
                continue
            try:
                size = os.fstat(descriptor).st_size
                if size != self._sizes.get(file):
                    os.fsync(descriptor)
                    self._sizes[file] = size
            finally:
                os.close(descriptor)
