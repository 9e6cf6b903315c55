"""Clocks that are passed in: a reactor, or a test's; and the time that our own reactor goes by.

zope's interfaces mean nothing to a type checker without a plugin; these are their shapes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater


class Timer(Protocol):
    """`twisted.internet.interfaces.IDelayedCall`."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...
    def getTime(self) -> float: ...  # noqa: N802  # Twisted's name


class Clock(Protocol):
    """`twisted.internet.interfaces.IReactorTime`. In seconds since an arbitrary moment.

    For durations only: times that are stored or shown come from the store.
    """

    def seconds(self) -> float: ...
    def callLater(  # noqa: N802  # Twisted's name
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  # Twisted's name
        *args: object,
        **kw: object,
    ) -> Timer: ...


def cancel(timer: Timer | None) -> None:
    """Stop a timer, if there is one and it has not run."""
    if timer is not None and timer.active():
        timer.cancel()


def pause(clock: Clock, seconds: float) -> Deferred[None]:
    """Fires after ``seconds``; can be cancelled."""
    return deferLater(cast("Any", clock), seconds)


def runs_by_wall_clock(reactor: Any) -> bool:
    """Whether a reactor's timers run late, or all at once, when the machine's clock is set."""
    return getattr(reactor, "seconds", None) is time.time


def keep_time(reactor: Any) -> None:
    """Let a reactor run by the monotonic clock, which can't be set.

    Twisted's reactors go by ``time.time``: if the clock is set back by an hour, all timers fire an
    hour late; if it is set forward, they all fire at once. Reactors only call ``seconds``, so that
    is all there is to replace.

    Only for programs that own the process, and best before anything is scheduled: other code may
    take what ``seconds`` returns for a date.
    """
    if not runs_by_wall_clock(reactor):
        return
    waiting = [(call, call.getTime() - time.time()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in waiting:
        call.seconds = time.monotonic
        call.reset(max(left, 0.0))
