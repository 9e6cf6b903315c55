"""A queue for logins and registrations, of which only so many run at the same time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

T = TypeVar("T")


class LoginQueue:
    """First come, first served.

    :param at_once: how many run at the same time; 0: no limit.
    """

    def __init__(self, at_once: int) -> None:
        self._places = DeferredSemaphore(at_once or sys.maxsize)

    async def wait(
        self,
        serve: Callable[[], Coroutine[Deferred[Any], Any, T]],
        left: Callable[[], object] = lambda: None,
    ) -> T:
        """Run ``serve`` when it is its turn, and return its result.

        A caller that is cancelled while it waits leaves the queue. What has begun goes on to its
        end and counts until then: else clients that disconnect early would get more done.

        :param left: called if the caller was cancelled while it waited.
        """
        try:
            await self._places.acquire()
        except CancelledError:
            left()
            raise
        serving = Deferred.fromCoroutine(serve())
        serving.addBoth(self._served)
        outcome: Deferred[T] = Deferred()
        serving.addCallbacks(outcome.callback, outcome.errback)
        return await outcome

    def _served(self, result: T) -> T:
        self._places.release()
        return result
