"""Open files: as many as the system allows, and what happens when they run out.

Twisted meets that by taking a connection and closing it at once, with four lines in the log for
each. Here nothing is taken while few descriptors are free: who comes waits in the system's queue,
and what is left is for the store's connections, the log, and whatever else the process opens.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from twisted.logger import Logger

from chatroom.common.clock import Clock, Timer

#: Descriptors that connections leave free: what a server has open itself is about 20, and this is
#: three times that.
RESERVE = 64
#: Descriptors below which nothing more is taken, whoever uses them.
SPARE = 16
#: Seconds for which accepting stops: doubled from the first to the last.
FIRST_REST, LAST_REST = 1.0, 8.0
#: Seconds without another rest after which it counts as well again, and is said to be.
STEADY = 10.0

_log = Logger()


def raise_limit() -> None:
    """Let this process have as many open files as the system allows it, without asking anybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            # macOS says "unlimited", and means less.
            _log.info("The limit on open files stays at {soft}: {error}", soft=soft, error=error)


def most_connections() -> int:
    """How many there may be for the limit on open files; 0: as many as like."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else max(1, soft - RESERVE)


def few_are_left() -> bool:
    """Whether no more than `SPARE` descriptors are free.

    The system always gives the lowest that is free, so all below that are in use.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        # None for us, or none in the whole system.
        return True
    os.close(lowest)
    return soft != resource.RLIM_INFINITY and lowest >= soft - SPARE


class Accepting:
    """Stops taking connections for a while when few descriptors are left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: list[Any] = []
        #: Ends a rest, or says that it is well again.
        self._timer: Timer | None = None
        self._rest = FIRST_REST
        #: When they first ran out, while it has not been well since.
        self._since: float | None = None

    def watch(self, port: Any) -> None:
        """Look after a listening port; one that does not read from a socket is left alone."""
        if not all(hasattr(port, name) for name in ("doRead", "startReading", "stopReading")):
            return
        self._ports.append(port)
        take = port.doRead

        def take_if_some_are_left() -> object:
            if few_are_left():
                self._stop_reading()
                return None
            # Twisted takes more at once each time that as many came as it took.
            port.numberAccepts = min(getattr(port, "numberAccepts", 1), SPARE // 2)
            return take()

        port.doRead = take_if_some_are_left

    def stop(self) -> None:
        """The ports are about to close."""
        self._ports.clear()
        self._cancel()

    def _stop_reading(self) -> None:
        if self._since is None:
            self._since = self._clock.seconds()
            _log.error(
                "Almost all open files are in use ({limit} are allowed): new connections wait."
                " Raise the limit (ulimit -n, LimitNOFILE=), or lower --max-connections",
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
        for port in self._ports:
            port.stopReading()
        self._cancel()
        self._timer = self._clock.callLater(self._rest, self._try_again)
        self._rest = min(self._rest * 2, LAST_REST)

    def _try_again(self) -> None:
        self._timer = None
        if few_are_left():
            self._stop_reading()
            return
        for port in self._ports:
            port.startReading()
        self._timer = self._clock.callLater(STEADY, self._well_again)

    def _well_again(self) -> None:
        self._timer = None
        since, self._since = self._since, None
        self._rest = FIRST_REST
        _log.info(
            "New connections are taken again; they had to wait now and then for {seconds} s",
            seconds=round(self._clock.seconds() - (since or 0.0) - STEADY),
        )

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
