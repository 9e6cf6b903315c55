"""Time, passed in: a reactor, or a test's clock.

zope's interfaces mean nothing to a type checker without a plugin; these are their shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred


class Timer(Protocol):
    """`twisted.internet.interfaces.IDelayedCall`."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...
    def getTime(self) -> float: ...  # noqa: N802  # Twisted's name


class Clock(Protocol):
    """`twisted.internet.interfaces.IReactorTime`. In seconds."""

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
    deferred: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, deferred.callback, None)
    return deferred
