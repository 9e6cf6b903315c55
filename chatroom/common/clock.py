"""Time, passed in: a reactor, or a test's clock; and what a reactor of our own takes for the time.

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
    """`twisted.internet.interfaces.IReactorTime`. In seconds, since some moment or other.

    For durations alone: what is kept or shown as a time is the store's to say.
    """

    def seconds(self) -> float: ...
    def callLater(  # noqa: N802  # Twisted's name
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  # Twisted's name
        *args: object,
        **kw: object,
    ) -> Timer: ...


def pause(clock: Clock, seconds: float) -> Deferred[None]:
    """Fires after ``seconds``; can be cancelled."""
    return deferLater(cast("Any", clock), seconds)


def runs_by_wall_clock(reactor: Any) -> bool:
    """Whether a reactor's timers run late, or all at once, when the machine's clock is set."""
    return getattr(reactor, "seconds", None) is time.time


def keep_time(reactor: Any) -> None:
    """Let a reactor run by the monotonic clock, which nobody sets.

    Twisted's reactors take ``time.time`` for the time: with the clock set back by an hour, whatever
    was to happen happens an hour later; set forward, all that waits is overdue at once. They ask
    ``seconds`` alone, so that is the one thing to change.

    Only for who owns the process, and best before anything is scheduled: somebody else may take
    what ``seconds`` says for a date.
    """
    if not runs_by_wall_clock(reactor):
        return
    waiting = [(call, call.getTime() - time.time()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in waiting:
        call.seconds = time.monotonic
        call.reset(max(left, 0.0))
