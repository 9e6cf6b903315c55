"""Coroutines that await Deferreds and, on asyncio's reactor, asyncio's futures as well."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from chatroom.common.clock import Clock, pause

ResultT = TypeVar("ResultT")


def as_task(coroutine: Coroutine[Any, Any, ResultT], reactor: Clock) -> Deferred[ResultT]:
    """Run a coroutine, which may await Deferreds and all that asyncio has.

    On another reactor than asyncio's (`twisted.internet.asyncioreactor`), it can await Deferreds
    only: there is no event loop that asyncio could use.

    :returns: fires with what the coroutine returns; cancelling it cancels the coroutine.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if not _is_asyncios(reactor):
            return Deferred.fromCoroutine(coroutine)
        # It does not run yet.
        return pause(reactor, 0).addCallback(lambda _: as_task(coroutine, reactor))
    task = loop.create_task(_contained(coroutine, loop))
    return Deferred.fromFuture(task).addErrback(_as_twisteds)


def _as_twisteds(failure: Failure) -> Failure:
    """asyncio's cancellation as Twisted's, which `addTimeout` and others expect."""
    cancelled = failure.check(asyncio.CancelledError) is not None
    return Failure(CancelledError()) if cancelled else failure


def _is_asyncios(reactor: Clock) -> bool:
    module = sys.modules.get("twisted.internet.asyncioreactor")
    return module is not None and isinstance(reactor, module.AsyncioSelectorReactor)


async def _contained(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Any:
    try:
        return await _bridged(coroutine, loop)
    except (SystemExit, KeyboardInterrupt):
        # Raised in the task, it would also break the event loop; the caller is to get it.
        return Failure()


@types.coroutine
def _bridged(
    coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop
) -> Generator[Any, Any, Any]:
    """Hand what the coroutine waits for to its task, a Deferred as a future."""
    problem: BaseException | None = None
    while True:
        try:
            awaited = coroutine.send(None) if problem is None else coroutine.throw(problem)
        except StopIteration as end:
            return end.value
        problem = None
        try:
            if isinstance(awaited, Deferred):
                yield from _until_fired(awaited, loop)
            else:
                yield awaited
        except BaseException as thrown:  # noqa: BLE001 - it is the coroutine's
            problem = thrown


def _until_fired(
    deferred: Deferred[Any], loop: asyncio.AbstractEventLoop
) -> Generator[Any, Any, None]:
    """Wait; the coroutine takes the result from the Deferred itself, where it is left."""
    fired = loop.create_future()

    def fire(result: Any) -> Any:
        if not fired.done():
            fired.set_result(None)
        return result

    deferred.addBoth(fire)
    try:
        yield from fired
    except BaseException:
        # Nobody waits for it any more.
        deferred.cancel()
        deferred.addErrback(lambda _: None)
        raise
