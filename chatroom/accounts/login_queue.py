"""A line to wait in, where only so much may be done at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

T = TypeVar("T")


class LoginQueue:
    """First come, first served.

    :param at_once: how many are served together; 0: all.
    """

    def __init__(self, at_once: int) -> None:
        self._places = DeferredSemaphore(at_once) if at_once else None

    async def wait(
        self,
        serve: Callable[[], Coroutine[Deferred[Any], Any, T]],
        left: Callable[[], object] = lambda: None,
    ) -> T:
        """What comes of ``serve``, which is begun when it is its turn.

        Who is cancelled while waiting leaves the line. What was begun goes on to its end all the
        same, and keeps its place up to there: else who goes away early would get more done.

        :param left: called when the line is left.
        """
        if self._places is not None:
            try:
                await self._places.acquire()
            except CancelledError:
                left()
                raise
        serving = Deferred.fromCoroutine(serve())
        if self._places is not None:
            serving.addBoth(self._served)
        outcome: Deferred[T] = Deferred()
        serving.addCallbacks(outcome.callback, outcome.errback)
        return await outcome

    def _served(self, result: T) -> T:
        assert self._places is not None, "only then it has to be left"
        self._places.release()
        return result
