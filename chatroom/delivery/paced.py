"""The outbox for the original client: one write for each frame."""

from __future__ import annotations

import struct
import termios
from collections import deque
from collections.abc import Callable
from fcntl import ioctl
from socket import socket
from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from chatroom.common.clock import Clock, Timer
from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob

#: Linux's request for the number of bytes that a socket has not sent or seen acknowledged.
TIOCOUTQ = getattr(termios, "TIOCOUTQ", None)
#: Most bytes that may be unacknowledged by the client's TCP when the next frame is written.
MAX_UNACKNOWLEDGED = 4096
#: Seconds between two looks at what is unacknowledged: doubled from the first to the last.
FIRST_LOOK, LAST_LOOK = 0.001, 0.1


@implementer(IPullProducer)
class PacedOutbox(Outbox):
    """One write for each frame, and the next one only while few written bytes are unacknowledged.

    The original client takes a frame's body with one read, so a body that arrives in two pieces
    kills it. What its TCP has not acknowledged yet, the system counts (``TIOCOUTQ``).
    """

    __slots__ = ("_clock", "_delay", "_filled", "_look", "_marks", "_socket", "_written")

    def __init__(
        self, transport: Any, limit: int, clock: Clock, *, behind: Outbox | None = None
    ) -> None:
        """:param behind: the outbox used until now; what still waits in it leaves first."""
        super().__init__(transport, limit)
        self._socket: socket = transport.getHandle()
        self._clock = clock
        self._look: Timer | None = None
        self._delay = FIRST_LOOK
        #: Bytes that were handed to the socket or the transport.
        self._written = 0
        #: Whether something was put since the queue was empty.
        self._filled = False
        #: Offsets in what was written, and what to call once the peer has everything up to there.
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()
        # A pull producer is asked for more each time the transport's buffer is empty, and once
        # right now, whatever that holds.
        transport.registerProducer(self, False)
        if behind is not None and behind.queued:
            self._filled = True
            self._waiting.extend(behind._waiting)
            self.queued, self._in_transport = behind.queued, behind._in_transport

    def put(self, blob: Blob) -> bool:
        if self._dropped or not self._enqueue(blob):
            return False
        self._filled = True
        self._push()
        return True

    def put_marked(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        if not self._dropped and self._enqueue(blob):
            self._filled = True
            self._marks.append((self._written + self.queued - self._in_transport, on_arrived))
            self._push()

    def cut_short(self, blob: Blob) -> None:
        # What is dropped never arrives.
        self._marks = deque(mark for mark in self._marks if mark[0] <= self._written)
        super().cut_short(blob)

    def _unacknowledged(self) -> int:
        if TIOCOUTQ is None:
            return 0
        try:
            packed = ioctl(self._socket.fileno(), TIOCOUTQ, b"\0\0\0\0")
        except (OSError, ValueError):
            return 0
        return int(struct.unpack("i", packed)[0])

    def _push(self) -> None:
        """Write what may be written now, call the marks that are reached, look again if needed."""
        outstanding = self._unacknowledged()
        while self._waiting and not self._in_transport and outstanding <= MAX_UNACKNOWLEDGED:
            self._write(self._waiting.pop(0))
            outstanding = self._unacknowledged()
        arrived = self._written - self._in_transport - outstanding
        while self._marks and self._marks[0][0] <= arrived:
            self._marks.popleft()[1]()
        if self._waiting or self._marks:
            self._look_again()
        if self._filled and not self.queued:
            self._filled = False
            self._drained()

    def _write(self, frame: bytes) -> None:
        try:
            sent = self._socket.send(frame)
        except OSError:
            sent = 0
        self._written += len(frame)
        self.queued -= sent
        self._delay = FIRST_LOOK
        if sent != len(frame):
            # There is room for 4 KiB and a frame in every socket's buffer unless the system is out
            # of memory, or the connection is broken, which the transport finds out. Until it has
            # let go of the rest nothing follows.
            self._in_transport = len(frame) - sent
            self._transport.write(frame[sent:])

    def resumeProducing(self) -> None:
        if self._in_transport:
            self.queued -= self._in_transport
            self._in_transport = 0
            self._push()

    def _look_again(self) -> None:
        if self._look is None:
            self._look = self._clock.callLater(self._delay, self._looked)
            self._delay = min(self._delay * 2, LAST_LOOK)

    def _looked(self) -> None:
        self._look = None
        self._push()

    def drop(self) -> None:
        super().drop()
        self._marks.clear()
        if self._look is not None:
            self._look.cancel()
            self._look = None
