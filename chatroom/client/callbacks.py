"""Calls the user's callbacks; whatever they raise, the client goes on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.client.asyncio_bridge import as_task
from chatroom.common.clock import Clock

_log = Logger()

#: With these the user's code ends its program, wherever it raises them.
_EXITS: Final = (SystemExit, KeyboardInterrupt)
#: What asyncio says where it is used on another reactor than its own.
_NO_LOOP: Final = ("no running event loop", "await wasn't used with future")


class Callbacks:
    """The functions that the user gave; see `chatroom.client.ChatClient`.

    They may be coroutine functions, as `as_task` takes them.
    """

    def __init__(
        self,
        reactor: Clock,
        exited: Callable[[BaseException], object],
        **functions: Callable[..., object] | None,
    ) -> None:
        """
        :param exited: called with the SystemExit or KeyboardInterrupt that one of them raised;
            from then on none of them is called any more.
        :param functions: each by the name of what it is called for.
        """
        self._reactor = reactor
        self._exited = exited
        self._functions = functions
        #: Those still running: nothing else may hold a reference to them.
        self._running: set[Deferred[Any]] = set()
        self._over = False

    def tell(self, name: str, *what: object) -> None:
        """Call one of the functions, if there is one; what it raises costs the caller nothing."""
        function = self._functions.get(name)
        if function is None or self._over:
            return
        try:
            result = function(*what)
        except BaseException:  # noqa: BLE001 - whatever the user's code does, the client goes on
            self._failed(Failure(), name, function)
            return
        if inspect.iscoroutine(result):
            result = as_task(result, self._reactor)
        if isinstance(result, Deferred):
            self._watch(result, name, function)

    def _watch(self, running: Deferred[Any], name: str, function: Callable[..., object]) -> None:
        def done(result: Any) -> None:
            self._running.discard(running)
            if isinstance(result, Failure):
                self._failed(result, name, function)

        self._running.add(running)
        running.addBoth(done)

    def _failed(self, failure: Failure, name: str, function: Callable[..., object]) -> None:
        called = getattr(function, "__qualname__", repr(function))
        if isinstance(failure.value, _EXITS):
            self._over = True
            _log.info(
                "a chat client's {name} ({called}) ended the program: {error!r}",
                name=name,
                called=called,
                error=failure.value,
            )
            self._exited(failure.value)
            return
        advice = ""
        if isinstance(failure.value, RuntimeError) and str(failure.value) in _NO_LOOP:
            advice = "; asyncio needs its own reactor: twisted.internet.asyncioreactor.install()"
        _log.failure(
            "a chat client's {name} ({called}) failed" + advice, failure, name=name, called=called
        )
