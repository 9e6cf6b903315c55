"""Syncs the private store's append-only file to the disk once a second, from outside the store.

Valkey could do that itself (``appendfsync everysec``). But while its own sync is under way on a
busy disk it holds back what it would write, for up to two seconds, and answers all the same:
whatever kills it then takes what was acknowledged with it. Told not to sync at all it writes before
each answer, so that what was acknowledged is the kernel's and outlives the process; and the second
that a crash of the machine may cost is kept here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chatroom.store.valkey.disk_loop import DiskLoop


class DiskSync(DiskLoop):
    """Syncs what has grown in ``folder``.

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
