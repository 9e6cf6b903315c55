"""Deferreds: of coroutines, with a time limit, and for one event that several wait for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatroom.common.clock import Clock, cancel

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


def returns_deferred(
    function: Callable[P, Coroutine[Any, Any, ResultT]],
) -> Callable[P, Deferred[ResultT]]:
    """Make an ``async def`` give a `Deferred` instead of a coroutine that waits to be awaited."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Deferred[ResultT]:
        return Deferred.fromCoroutine(function(*args, **kwargs))

    # For help(), which would show the coroutine's.
    known = signature(function)
    returns = f"Deferred[{known.return_annotation}]"
    call.__signature__ = known.replace(return_annotation=returns)  # type: ignore[attr-defined]
    return call


def within(
    deferred: Deferred[ResultT], seconds: float, clock: Clock, error: Exception
) -> Deferred[ResultT]:
    """``deferred``, cancelled after so many seconds; it fails with ``error`` then."""
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        deferred.cancel()

    def stop(result: ResultT | Failure) -> ResultT | Failure:
        cancel(timer)
        # Any failure: not everything that can be cancelled fails with a CancelledError.
        return Failure(error) if expired and isinstance(result, Failure) else result

    timer = clock.callLater(seconds, expire)
    return deferred.addBoth(stop)


class Waiters:
    """Any number of callers that wait for one event; each may cancel its own wait."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def wait(self, *, over: bool = False) -> Deferred[None]:
        """A Deferred of the caller's own, which the next `fire` fires; ``over``: it has fired."""
        waiter: Deferred[None] = Deferred(self._forget)
        if over:
            waiter.callback(None)
        else:
            self._waiting.append(waiter)
        return waiter

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def fire(self, error: BaseException | None = None) -> None:
        """Let everybody go on, with ``error`` if there is one."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            # One waiter's going on may have cancelled another's wait.
            if waiter.called:
                continue
            if error is None:
                waiter.callback(None)
            else:
                waiter.errback(error)

    def _forget(self, waiter: Deferred[None]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
