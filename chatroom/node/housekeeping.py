"""Every few seconds: silent clients are found, old limits forgotten, counters stored."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from chatroom.common.clock import Clock
from chatroom.limits.rate import RateLimits
from chatroom.node.sessions import Sessions
from chatroom.store.interface import Store
from chatroom.store.records import StoreUnavailable

#: Seconds between two runs.
INTERVAL = 5

_log = Logger()


class Housekeeping:
    """A loop over this node's sessions, limits and counters.

    :param counters: what was refused since the start; written into the store when it changes.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        sessions: Sessions,
        limits: RateLimits,
        counters: Counter[str],
    ) -> None:
        self._clock = clock
        self._store = store
        self._sessions = sessions
        self._limits = limits
        self._counters = counters
        self._stored_counters: Counter[str] = Counter()
        self._loop = LoopingCall(self._run)
        self._loop.clock = clock  # type: ignore[assignment]  # typed as the global reactor

    def start(self) -> None:
        self._loop.start(INTERVAL, now=False).addErrback(
            lambda failure: _log.failure("Housekeeping loop stopped", failure)
        )

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _run(self) -> None:
        now = self._clock.seconds()
        for session in self._sessions.all():
            session.check_silence(now)
        self._limits.sweep(now)
        if self._counters != self._stored_counters:
            Deferred.fromCoroutine(self._store_counters(self._counters.copy())).addErrback(
                lambda failure: _log.failure("The counters could not be stored", failure)
            )

    async def _store_counters(self, counters: Counter[str]) -> None:
        # Else the next run tries again.
        with suppress(StoreUnavailable):
            await self._store.keep_counters(counters)
            self._stored_counters = counters
