"""One connection to a server: frames in, typed messages out, and pings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import NotConnected
from chatroom.client.base.timing import Timing
from chatroom.client.connection.requests import Requests
from chatroom.common.clock import Clock, Timer, cancel
from chatroom.common.waiting import Waiters
from chatroom.protocol import codec, messages as wire

_REASONS: Final[tuple[tuple[type[Exception], Words], ...]] = (
    (error.ConnectionDone, words.SERVER_HUNG_UP),
    (error.ConnectionLost, words.LOST),
    (error.ConnectionRefusedError, words.NOBODY_LISTENS),
    (error.DNSLookupError, words.NO_HOST),
    (error.TimeoutError, words.NO_ANSWER_IN_TIME),
    (error.TCPTimedOutError, words.NO_ANSWER_IN_TIME),
)


def one_line(problem: BaseException | None) -> Words:
    """Why there is no connection, for a person."""
    for kind, text in _REASONS:
        if isinstance(problem, kind):
            return text
    lines = str(problem).splitlines()
    return Words(lines[0] if lines else type(problem).__name__)


class ClientProtocol(Int32StringReceiver):
    """Speaks dialect 2 to a server."""

    MAX_LENGTH = wire.MAX_SERVER_FRAME
    transport: Any

    def __init__(
        self,
        received: Callable[[wire.Message], None],
        gone: Callable[[ClientProtocol, Words], None],
        clock: Clock,
        timing: Timing,
    ) -> None:
        """
        :param received: called with a message that answers no request; where it raises
            `chatroom.protocol.codec.WireError`, the connection is dropped.
        :param gone: called with why the connection is lost, once its requests have failed.
        """
        self._received = received
        self._gone = gone
        self._clock = clock
        self._timing = timing
        self.requests = Requests(clock, timing.answer, self.send_payload, self.drop)
        self._lost = Waiters()
        self._is_lost = False
        #: Why nothing more is read from this connection; None while it is in use.
        self.over: Words | None = None
        #: Why the server closes the connection, as it said, and the error in its last frame.
        self._goodbye: Words | None = None
        self._last_words: Words | None = None
        self._heard_at = clock.seconds()
        self._timer: Timer | None = None
        #: At least one valid message has come.
        self._is_understood = False
        #: Another connection would end in the same way.
        self._is_final = False

    # ------------------------------------------------------------ for the client

    def send(self, message: wire.Message) -> None:
        """Send one message; its answer, if any, is not waited for here."""
        self.send_payload(codec.encode(message))

    def send_payload(self, payload: bytes) -> None:
        """Send a message that is encoded already."""
        if self.over is None:
            self.transport.write(codec.frame(payload))

    def drop(self, why: Words) -> None:
        """Abort the connection."""
        if self.over is None:
            self.over = why
        if not self._is_lost:
            self.transport.abortConnection()

    def not_understood(self, why: Words) -> None:
        """Abort; if no valid message came before, the other end is not a chatroom server."""
        self._is_final = self.over is None and not self._is_understood
        self.drop(why)

    def lost(self) -> NotConnected | None:
        """Why the connection ended; None while it is in use."""
        return None if self.over is None else NotConnected(self.over, final=self._is_final)

    def hang_up(self, *, server_first: bool = False) -> None:
        """Close cleanly: what was written is still sent, what comes in is ignored.

        The connection is gone within `Timing.goodbye`; see `when_lost`.

        :param server_first: the server was asked to close; if we closed first, it could miss
                what it has not read yet.
        """
        if self._is_lost:
            return
        if self.over is None:
            self.over = words.CLOSED
        if not server_first:
            self.transport.loseConnection()
        self.expect_close(words.CLOSED)

    def when_lost(self) -> Deferred[None]:
        """Fires when the connection is gone."""
        return self._lost.wait(over=self._is_lost)

    @property
    def is_dismissed(self) -> bool:
        """Whether the server said that it closes the connection and takes nothing more."""
        return self._goodbye is not None

    def expect_close(self, why: Words, *, final: bool = False) -> None:
        """The server is about to close the connection; abort it if it takes too long.

        :param final: reconnecting would be of no use.
        """
        self._goodbye = why
        self._is_final = final
        self._set_timer(self._timing.goodbye, lambda: self.drop(why))

    # ------------------------------------------------------------ for Twisted

    def connectionMade(self) -> None:
        self._heard_at = self._clock.seconds()
        self._set_timer(self._timing.ping_after, self._check_silence)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, unless the connection was given up."""
        self._heard_at = self._clock.seconds()
        if self.over is None:
            super().dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted's own

    def stringReceived(self, payload: bytes) -> None:
        if self.over is not None:
            return  # what was buffered is still delivered after the end
        try:
            self._take(codec.decode(payload))
        except codec.WireError as problem:
            if problem.fatal or problem.type_name is None or problem.type_name in wire.MESSAGES:
                self.not_understood(words.NO_MESSAGE.filled(problem=problem))
            # An unknown type comes from a newer server, and is ignored.

    def lengthLimitExceeded(self, length: int) -> None:
        """Abort: what follows such a frame can't be split into frames."""
        self.not_understood(words.FRAME_TOO_LONG.filled(length=length))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_lost = True
        why = self.over or self._goodbye or self._last_words or one_line(reason.value)
        self.over = why
        cancel(self._timer)
        self.requests.close(NotConnected(why, final=self._is_final))
        self._gone(self, why)
        self._lost.fire()

    # ------------------------------------------------------------ inside

    def _take(self, message: wire.Message) -> None:
        if isinstance(message, wire.PingMes):
            self.send(wire.PongMes())
            return
        self._is_understood = True
        self._last_words = None
        if isinstance(message, wire.ErrorMes) and message.id is UNSET:
            self._last_words = words.of_server(message.code, message.error)
        if not self.requests.take(message):
            self._received(message)

    def _check_silence(self) -> None:
        silence = self._clock.seconds() - self._heard_at
        if silence >= self._timing.silence:
            self.drop(words.SILENT.filled(seconds=self._timing.silence))
        elif silence >= self._timing.ping_after:
            self.send(wire.PingMes())
            pause = min(self._timing.ping_after, self._timing.silence - silence)
            self._set_timer(pause, self._check_silence)
        else:
            self._set_timer(self._timing.ping_after - silence, self._check_silence)

    def _set_timer(self, seconds: float, call: Callable[[], None]) -> None:
        cancel(self._timer)
        self._timer = self._clock.callLater(seconds, call)
