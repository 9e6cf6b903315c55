"""Raises the limit on open files, and stops accepting while few of them are left.

Twisted would accept a connection and close it at once, with four lines in the log for each. Here
new connections wait in the system's queue while few descriptors are free, so that the rest is left
for the store's connections, the log, and whatever else the process opens.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from twisted.logger import Logger

from chatroom.common.clock import Clock, Timer

#: Descriptors that client connections may not use. The server itself has about 20 open, so this is
#: three times that.
RESERVE = 64
#: With no more descriptors free than this, no connection is accepted.
SPARE = 16
#: Seconds for which accepting stops: doubled from the first to the last.
FIRST_REST, LAST_REST = 1.0, 8.0
#: Seconds without another pause after which the shortage is over, and the log says so.
STEADY = 10.0

_log = Logger()


def raise_limit() -> None:
    """Raise this process's limit on open files as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            # macOS says "unlimited", and means less.
            _log.info("The limit on open files stays at {soft}: {error}", soft=soft, error=error)


def most_connections() -> int:
    """How many connections the limit on open files allows; 0: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else max(1, soft - RESERVE)


def few_are_left() -> bool:
    """Whether at most `SPARE` descriptors are free.

    The system always gives the lowest free descriptor, so all below it are in use.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        # The process has none left, or the whole system.
        return True
    os.close(lowest)
    return soft != resource.RLIM_INFINITY and lowest >= soft - SPARE


class Accepting:
    """Stops accepting connections for a while when few descriptors are left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: list[Any] = []
        #: Ends a pause, or the shortage.
        self._timer: Timer | None = None
        self._rest = FIRST_REST
        #: When the shortage began; None: there is none.
        self._since: float | None = None

    def watch(self, port: Any) -> None:
        """Watch a listening port; one that does not read from a socket is left alone."""
        if not all(hasattr(port, name) for name in ("doRead", "startReading", "stopReading")):
            return
        self._ports.append(port)
        take = port.doRead

        def accept_if_some_are_left() -> object:
            if few_are_left():
                self._stop_reading()
                return None
            # Twisted raises this each time that it could accept as many.
            port.numberAccepts = min(getattr(port, "numberAccepts", 1), SPARE // 2)
            return take()

        port.doRead = accept_if_some_are_left

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
        self._timer = self._clock.callLater(STEADY, self._recovered)

    def _recovered(self) -> None:
        self._timer = None
        since, self._since = self._since, None
        self._rest = FIRST_REST
        _log.info(
            "New connections are accepted again; for {seconds} s some had to wait",
            seconds=round(self._clock.seconds() - (since or 0.0) - STEADY),
        )

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
