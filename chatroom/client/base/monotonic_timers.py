"""Timers that do not depend on the machine's clock, on a reactor of the host program.

Twisted's reactors run their timers by the wall clock: while that is set back, they stand still. A
program of our own changes that for its reactor (`chatroom.common.clock.keep_time`). A library must
not: its host may take what the reactor says for a date, as twisted.web's access log does, or have
kept it, to compare with later. So the library's own timers are kept here, and a thread that waits
by the monotonic clock calls the reactor when one is due.
"""

from __future__ import annotations

import math
import os
import selectors
import struct
import threading
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from twisted.internet.base import DelayedCall

from chatroom.common.clock import Clock, Timer, runs_by_wall_clock

#: Seconds after which the thread calls again where the reactor did not answer: a call from a thread
#: can be a timer of the reactor's as well (with asyncio it is), and be held up like any other.
AGAIN: Final = 1.0

_MOMENT: Final = struct.Struct("d")
#: One for all clients on a reactor.
_clocks: dict[Any, SteadyClock] = {}


def steady(reactor: Clock) -> Clock:
    """A clock for durations on ``reactor``: itself where it has one, else a `SteadyClock`."""
    if not runs_by_wall_clock(reactor):
        return reactor
    clock = _clocks.get(reactor)
    if clock is None:
        clock = _clocks[reactor] = SteadyClock(reactor)
    return clock


class SteadyClock:
    """A `Clock` by the monotonic clock. Its timers run in the reactor's thread, while it runs."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._timers: list[DelayedCall] = []
        #: When the thread is to call; and where it is told, once it runs.
        self._told = math.inf
        self._pipe: int | None = None
        self._begun = False

    def seconds(self) -> float:
        """Since some moment that stays the same while the process runs."""
        return time.monotonic()

    def callLater(  # noqa: N802  # Twisted's name
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  # Twisted's name
        *args: object,
        **kw: object,
    ) -> Timer:
        """As a reactor's."""
        due = self.seconds() + delay
        timer = DelayedCall(due, callable, args, kw, _nothing, self._sooner, self.seconds)
        heappush(self._timers, timer)
        if not self._begun:
            self._begun = True
            # Not before: twistd forks until then, and a thread would stay behind.
            self._reactor.callWhenRunning(self._start)
        self._tell()
        return timer

    # ------------------------------------------------------------ in the reactor's thread

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        threading.Thread(
            target=_wait, args=(reading, self._reactor.callFromThread, self._run), daemon=True
        ).start()
        self._reactor.addSystemEventTrigger("after", "shutdown", self._stop)
        self._tell()

    def _stop(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def _sooner(self, _: DelayedCall) -> None:
        heapify(self._timers)
        self._tell()

    def _tell(self) -> None:
        """Tell the thread when it is to call, where that is sooner than it knows."""
        if self._pipe is not None and self._timers and self._timers[0].time < self._told:
            self._told = self._timers[0].time
            os.write(self._pipe, _MOMENT.pack(self._told))

    def _run(self) -> None:
        now = self.seconds()
        try:
            while self._timers and self._timers[0].time <= now:
                timer = heappop(self._timers)
                if timer.cancelled:
                    continue
                if timer.delayed_time > 0:
                    timer.activate_delay()
                    heappush(self._timers, timer)
                    continue
                timer.called = 1
                timer.func(*timer.args, **timer.kw)
        finally:
            # In any case: what one of them raises is logged by the reactor, and the rest follow.
            while self._timers and self._timers[0].cancelled:
                heappop(self._timers)
            self._told = math.inf
            if not self._timers and self._pipe is not None:
                os.write(self._pipe, _MOMENT.pack(math.inf))
            self._tell()


def _nothing(_: DelayedCall) -> None:
    """What is cancelled is left where it is until its time has come."""


def _wait(reading: int, call_from_thread: Callable[..., object], run: Callable[[], None]) -> None:
    """The thread: it is told a moment, and calls the reactor then.

    A file descriptor with a time-out, because the kernel counts that by the monotonic clock; locks
    and conditions do so on some systems only.
    """
    due = math.inf
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while True:
            left = None if due == math.inf else max(due - time.monotonic(), 0.0)
            if not selector.select(left):
                call_from_thread(run)
                due = time.monotonic() + AGAIN
                continue
            told = os.read(reading, _MOMENT.size)
            if not told:
                os.close(reading)
                return
            (due,) = _MOMENT.unpack(told)
