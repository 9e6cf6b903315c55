"""Requests to the server, one at a time, each with its answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import UNSET
from twisted.internet.defer import Deferred, fail

from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import ChatError, NotConnected, Refused
from chatroom.client.state.convert import read_refusal
from chatroom.common.clock import Clock, Timer, cancel
from chatroom.common.waiting import Waiters
from chatroom.protocol import codec, messages as wire

AnswerT = TypeVar("AnswerT", bound=wire.Message)


#: Requests that are repeated automatically if the server says that they came too fast.
_AGAIN = (wire.UsersMes, wire.HistoryMes, wire.PingMes)


@dataclass(eq=False, slots=True)
class _Request:
    message: wire.Message
    payload: bytes
    answer: type[wire.Message]
    refused: type[Refused]
    deferred: Deferred[Any]


class Requests:
    """One connection's requests.

    Answers carry no reference to their request, and an `ErrorMes` not even the request's type.
    So only one request is in progress at a time, and a cancelled one still gets its answer before
    the next is sent.
    """

    def __init__(
        self,
        clock: Clock,
        timeout: float,
        send: Callable[[bytes], None],
        give_up: Callable[[Words], None],
    ) -> None:
        """
        :param timeout: seconds from sending a request to its answer.
        :param send: sends an encoded request.
        :param give_up: drops the connection when no answer comes in time: a late answer would be
                taken for that of a later request.
        """
        self._clock = clock
        self._timeout = timeout
        self._send = send
        self._give_up = give_up
        self._queue: deque[_Request] = deque()
        self._current: _Request | None = None
        self._timer: Timer | None = None
        self._closed: NotConnected | None = None
        self._idle = Waiters()

    def ask(
        self,
        message: wire.Message,
        answer: type[AnswerT],
        refused: type[Refused] = Refused,
    ) -> Deferred[AnswerT]:
        """Send ``message``; fires with the next message of type ``answer``.

        Fails with ``refused`` where the answer's code says so or an `ErrorMes` comes instead,
        and with `NotConnected` when the connection is lost or no answer comes in time.
        """
        if self._closed is not None:
            return fail(_anew(self._closed))
        deferred: Deferred[AnswerT] = Deferred(lambda _: self._cancelled(request))
        # Encoded here: what can't be fails for its caller alone, and not in the middle of others.
        request = _Request(message, codec.encode(message), answer, refused, deferred)
        self._queue.append(request)
        self._next()
        return deferred

    def take(self, message: wire.Message) -> bool:
        """Take ``message`` if it answers the current request; returns whether it does."""
        request = self._current
        if request is None:
            return False
        if type(message) is request.answer:
            if getattr(message, "code", wire.Code.OK) == wire.Code.OK:
                self._done(request, message)
            else:
                self._done(request, read_refusal(request.refused, message))
            return True
        if isinstance(message, wire.ErrorMes) and _may_answer(message, request.message):
            refusal = read_refusal(request.refused, message)
            if (
                message.code == wire.Code.TOO_FAST
                and isinstance(request.message, _AGAIN)
                and refusal.retry_after is not None
                and refusal.retry_after < self._timeout
            ):
                self._ask_again(request, refusal.retry_after)
            else:
                self._done(request, refusal)
            return True
        return False

    def when_idle(self) -> Deferred[None]:
        """Fires when no request is in progress."""
        return self._idle.wait(over=self._current is None)

    def close(self, error: NotConnected) -> None:
        """The connection is gone: fail all waiting requests, and all later ones."""
        self._closed = error
        waiting = list(self._queue)
        self._queue.clear()
        if self._current is not None:
            waiting.insert(0, self._current)
            self._end_current()
        for request in waiting:
            self._settle(request, _anew(error))
        self._idle.fire()

    def _next(self) -> None:
        if self._current is None and self._queue:
            self._current = self._queue.popleft()
            self._ask()

    def _ask(self) -> None:
        assert self._current is not None
        self._timer = self._clock.callLater(self._timeout, self._overdue)
        self._send(self._current.payload)

    def _ask_again(self, request: _Request, wait: float) -> None:
        """It came too fast; the requests queued behind it wait too, or they would be refused."""
        cancel(self._timer)
        if request.deferred.called:
            self._done(request, request.message)
        else:
            self._timer = self._clock.callLater(wait, self._ask)

    def _end_current(self) -> None:
        self._current = None
        cancel(self._timer)

    def _done(self, request: _Request, result: wire.Message | Refused) -> None:
        self._end_current()
        self._next()
        self._settle(request, result)
        if self._current is None:
            self._idle.fire()

    def _settle(self, request: _Request, result: wire.Message | ChatError) -> None:
        if request.deferred.called:
            return  # cancelled: nobody waits any more
        if isinstance(result, ChatError):
            request.deferred.errback(result)
        else:
            request.deferred.callback(result)

    def _overdue(self) -> None:
        self._give_up(words.NO_ANSWER_TO_REQUEST.filled(seconds=self._timeout))

    def _cancelled(self, request: _Request) -> None:
        if request is not self._current:
            self._queue.remove(request)


def _anew(error: NotConnected) -> NotConnected:
    """A new error for each caller: a traceback belongs to one of them."""
    return NotConnected(error.words, final=error.final)


def _may_answer(error: wire.ErrorMes, request: wire.Message) -> bool:
    """Whether the error can be about a request: not about a message, the connection or a gap."""
    return (
        error.id is UNSET
        and (error.about is UNSET or error.about == type(request).__name__)
        and error.code != wire.Code.CLOSED
        and error.reconnect is UNSET
        and error.rooms is UNSET
        and error.inbox is UNSET
    )
