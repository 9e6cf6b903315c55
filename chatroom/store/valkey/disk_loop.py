"""Work on the private store's disk, once a second, in a thread."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

#: Seconds between two runs; the next one waits for the one before.
INTERVAL: Final = 1.0

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
        return working.addCallbacks(self.done, self._failed)

    def _failed(self, failure: Failure) -> None:
        _log.failure(self.failed, failure)

    def work(self) -> Any:
        """What is done in the thread; may raise `OSError`."""
        raise NotImplementedError

    def done(self, result: Any) -> None:
        """Take in what `work` gave, in the reactor's thread."""
