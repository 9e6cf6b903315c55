"""Brings the private store's append-only file to the disk once a second, from outside the store.

Valkey could do that itself (``appendfsync everysec``). But while its own sync is under way on a
busy disk it holds back what it would write, for up to two seconds, and answers all the same:
whatever kills it then takes what was acknowledged with it. Told not to sync at all it writes before
each answer, so that what was acknowledged is the kernel's and outlives the process; and the second
that a crash of the machine may cost is kept here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

#: Seconds between two syncs; the next one waits for the one before.
INTERVAL: Final = 1.0

_log = Logger()


class DiskSync:
    """Syncs what has grown in ``folder``, in a thread.

    :param folder: where Valkey keeps the parts of its append-only file.
    """

    def __init__(self, reactor: Any, folder: Path) -> None:
        self._reactor = reactor
        self._folder = folder
        self._sizes: dict[Path, int] = {}
        self._loop = LoopingCall(self._sync_in_thread)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if not self._loop.running:
            self._loop.start(INTERVAL, now=False).addErrback(
                lambda failure: _log.failure("The disk is not synced any more", failure)
            )

    def stop(self) -> None:
        """End. What is not on the disk yet, Valkey brings there when it ends in order."""
        if self._loop.running:
            self._loop.stop()

    def _sync_in_thread(self) -> Deferred[None]:
        syncing = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self.sync)
        return syncing.addErrback(self._failed)

    @staticmethod
    def _failed(failure: Failure) -> None:
        _log.failure("The append-only file could not be brought to the disk", failure)

    def sync(self) -> None:
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
