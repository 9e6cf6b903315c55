"""What waits to leave over one TCP connection: bounded, and as few system calls as can be.

Three ways to the socket, one interface:

- `DirectOutbox` tries the socket at once and leaves to the transport only what the socket did not
  take. For a room of a thousand this is a third of the cost of `transport.write`, which always
  waits for the reactor's next turn and another `poll`. What is large and for many, they share.
- `TransportOutbox` writes to the transport: for TLS, where the socket is not ours to write to.
- `PacedOutbox` is for the original client, which must find each frame whole with one read.
"""

from __future__ import annotations

import os
import struct
import termios
from collections import deque
from collections.abc import Callable, Collection
from fcntl import ioctl
from socket import socket
from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from chatroom.common.clock import Clock, Timer
from chatroom.delivery.shared_pages import in_memory, worth_sharing
from chatroom.protocol.dialects import Blob

#: The request that counts the bytes a socket still has to send or see acknowledged; Linux has it.
TIOCOUTQ = getattr(termios, "TIOCOUTQ", None)
#: Bytes that are handed to the transport at once. It copies them once more while it writes: that is
#: what a slow client may take beyond the queue's bound.
CHUNK = 64 * 1024
#: Most bytes that the original client's TCP may owe an answer for when the next frame is written.
MAX_UNACKNOWLEDGED = 4096
#: Seconds between two looks at what is unacknowledged: doubled from the first to the last.
FIRST_LOOK, LAST_LOOK = 0.001, 0.1

_NOTHING: Callable[[], object] = lambda: None  # noqa: E731


class Outbox(Protocol):
    """Where a connection's frames go.

    ``queued`` is the number of bytes that wait here. ``on_behind`` is called each time that it has
    grown, once it is more than a quarter of the limit; ``on_drained`` when it falls to 0.
    ``on_full`` is called, and nothing queued, when a put finds something waiting and would lift
    ``queued`` over the limit: so one blob of any size always passes.
    """

    queued: int
    on_behind: Callable[[], object]
    on_drained: Callable[[], object]
    on_full: Callable[[], object]

    def put(self, blob: Blob) -> bool:
        """Send, or queue in order; False: it was not taken, and never will be."""

    def put_marked(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        """As `put`; ``on_arrived`` is called when the peer's TCP has it, as far as can be known."""

    def cut_short(self, blob: Blob) -> None:
        """Forget what waits here, and send this instead, behind what has left already."""

    def finish(self, done: Callable[[], None], last: Blob = ()) -> None:
        """Call ``done`` when everything queued was given to the system. No put comes after this.

        :param last: goes behind everything queued, whatever the limit.
        """

    def drop(self) -> None:
        """The connection is gone."""

    @staticmethod
    def put_to_all(outboxes: Collection[Any], blob: Blob) -> None:
        """`put` the same into many outboxes of this class."""


def put_to_each(outboxes: Collection[Outbox], blob: Blob) -> None:
    """What `Outbox.put_to_all` does where there is no quicker way."""
    for outbox in outboxes:
        outbox.put(blob)


class _Queueing:
    """What the ways have in common: the queue and its bound."""

    # There is one for each session, and all that a message to many touches of a session is this.
    __slots__ = (
        "_dropped",
        "_finished",
        "_in_transport",
        "_marked",
        "_transport",
        "_waiting",
        "limit",
        "on_behind",
        "on_drained",
        "on_full",
        "queued",
    )

    def __init__(self, transport: Any, limit: int) -> None:
        self._transport = transport
        self.limit = limit
        self.queued = 0
        self.on_behind = _NOTHING
        self.on_drained = _NOTHING
        self.on_full = _NOTHING
        # A list, as an empty deque takes ten times the memory.
        self._waiting: list[bytes] = []
        #: How much of ``queued`` was handed to the transport already.
        self._in_transport = 0
        #: Whom to tell when the queue has emptied, which is all that is known of an arrival here.
        self._marked: list[Callable[[], None]] = []
        self._finished: Callable[[], None] | None = None
        self._dropped = False

    def put(self, blob: Blob) -> bool:
        raise NotImplementedError

    @staticmethod
    def put_to_all(outboxes: Collection[Any], blob: Blob) -> None:
        put_to_each(outboxes, blob)

    def put_marked(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        if self.put(blob):
            if self.queued:
                self._marked.append(on_arrived)
            else:
                on_arrived()

    def _enqueue(self, blob: Blob) -> bool:
        size = sum(map(len, blob))
        if size and self.queued and self.queued + size > self.limit:
            self.on_full()
            return False
        self._waiting.extend(blob)
        self.queued += size
        if self.queued > self.limit // 4:
            self.on_behind()
        return True

    def _next_chunk(self) -> bytes:
        """Up to about `CHUNK` bytes from the queue's front, for the transport, which is empty."""
        count, size = 0, 0
        while count < len(self._waiting) and size < CHUNK:
            size += len(self._waiting[count])
            count += 1
        chunk = b"".join(self._waiting[:count])
        del self._waiting[:count]
        self.queued -= self._in_transport
        self._in_transport = size
        return chunk

    def _drained(self) -> None:
        self.queued = self._in_transport = 0
        marked, self._marked = self._marked, []
        for on_arrived in marked:
            on_arrived()
        if self._finished is not None:
            done, self._finished = self._finished, None
            done()
        else:
            self.on_drained()

    def cut_short(self, blob: Blob) -> None:
        self._waiting.clear()
        self._marked.clear()
        self.queued = self._in_transport
        # What the transport holds may end in the middle of a frame: this goes behind it.
        self._put_anyhow(blob)

    def _put_anyhow(self, blob: Blob) -> None:
        """As `put`, whatever the limit."""
        if self.queued:
            self._waiting.extend(blob)
            self.queued += sum(map(len, blob))
        else:
            self.put(blob)

    def finish(self, done: Callable[[], None], last: Blob = ()) -> None:
        if last and not self._dropped:
            self._put_anyhow(last)
        if self.queued and not self._dropped:
            self._finished = done
        else:
            done()

    def drop(self) -> None:
        self._dropped = True
        self._waiting.clear()
        self._marked.clear()
        self.queued = self._in_transport = 0
        self.on_behind = self.on_drained = self.on_full = _NOTHING
        self._finished = None


@implementer(IPushProducer)
class TransportOutbox(_Queueing):
    """Through the transport, which pauses us while it holds more than it likes."""

    __slots__ = ("_paused",)

    def __init__(self, transport: Any, limit: int) -> None:
        super().__init__(transport, limit)
        self._paused = False
        transport.registerProducer(self, True)

    def put(self, blob: Blob) -> bool:
        if self._dropped:
            return False
        if self._paused or self._waiting:
            return self._enqueue(blob)
        self._transport.write(b"".join(blob))
        return True

    def pauseProducing(self) -> None:
        self._paused = True
        # How much the transport holds is its own affair; that it holds something is ours.
        self._in_transport = max(self._in_transport, 1)
        self.queued = max(self.queued, 1)

    def resumeProducing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self._transport.write(self._next_chunk())
        if not self._paused:
            self._drained()

    def stopProducing(self) -> None:
        self.drop()


@implementer(IPushProducer)
class DirectOutbox(_Queueing):
    """To the socket itself, as long as nothing waits in the transport."""

    __slots__ = ("_fileno", "_send")

    def __init__(self, transport: Any, limit: int, *, held: int = 0) -> None:
        """:param held: bytes that the transport may still hold: all else goes behind them."""
        super().__init__(transport, limit)
        self._send: Callable[[bytes], int] = transport.getHandle().send
        self._fileno = transport.getHandle().fileno()
        # A pull producer is asked for more each time the transport has let go of all it had, and
        # once right now, whatever it holds.
        transport.registerProducer(self, False)
        if not self._dropped:
            self.queued = self._in_transport = held

    def put(self, blob: Blob) -> bool:
        if self.queued:
            return self._enqueue(blob)
        if self._dropped:
            return False
        self.put_to_all((self,), blob)
        return True

    @staticmethod
    def put_to_all(outboxes: Collection[DirectOutbox], blob: Blob) -> None:
        data = blob[0] if len(blob) == 1 else b"".join(blob)
        file = in_memory(data) if worth_sharing(data, outboxes) else None
        if file is not None:
            try:
                _send_file(outboxes, data, file)
            finally:
                os.close(file)
        elif data:
            _send_copies(outboxes, data)

    def _take_rest(self, data: bytes, sent: int) -> None:
        """The socket took no more: it is full, or broken, and the transport finds out which."""
        if not self._dropped:
            self.queued = self._in_transport = len(data) - sent
            self._transport.write(data[sent:])

    def resumeProducing(self) -> None:
        if self._waiting:
            self._transport.write(self._next_chunk())
        elif self.queued:
            self._drained()

    def pauseProducing(self) -> None:
        """A pull producer is not told to pause."""

    def stopProducing(self) -> None:
        self.drop()

    def drop(self) -> None:
        super().drop()
        # The number may soon be another connection's.
        self._fileno = -1


# All that a message to a thousand costs is in these two: a call for each of them would be a third
# of what is not the kernel's.


def _send_copies(outboxes: Collection[DirectOutbox], data: bytes) -> None:
    size = len(data)
    for outbox in outboxes:
        if outbox.queued:
            outbox._enqueue((data,))
            continue
        try:
            sent = outbox._send(data)
        except OSError:
            sent = 0
        if sent != size:
            outbox._take_rest(data, sent)


def _send_file(outboxes: Collection[DirectOutbox], data: bytes, file: int) -> None:
    size, sendfile = len(data), os.sendfile
    for outbox in outboxes:
        if outbox.queued:
            outbox._enqueue((data,))
            continue
        try:
            sent = sendfile(outbox._fileno, file, 0, size)
        except OSError:
            sent = 0
        if sent != size:
            outbox._take_rest(data, sent)


@implementer(IPushProducer)
class PacedOutbox(_Queueing):
    """One write a frame, and the next one only while little of what was written is unacknowledged.

    The original client takes a frame's body with one read, so a body that arrives in two pieces
    kills it. What its TCP has not acknowledged yet, the system counts (``TIOCOUTQ``).
    """

    __slots__ = ("_clock", "_delay", "_filled", "_look", "_marks", "_socket", "_written")

    def __init__(
        self, transport: Any, limit: int, clock: Clock, *, behind: DirectOutbox | None = None
    ) -> None:
        """:param behind: what was in use until now; what still waits there leaves first."""
        super().__init__(transport, limit)
        self._socket: socket = transport.getHandle()
        self._clock = clock
        self._look: Timer | None = None
        self._delay = FIRST_LOOK
        #: Bytes that were handed to the socket or the transport.
        self._written = 0
        #: Whether something was put since the queue was empty.
        self._filled = False
        #: Offsets in what was written, and whom to tell when the peer has it up to there.
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()
        # As a pull producer we are asked for more each time the transport has let go of all it had,
        # and once right now, whatever it holds.
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
        # What is forgotten never arrives.
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
        """Write what may be written now, tell whose mark was reached, and look again if need be."""
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

    def pauseProducing(self) -> None:
        """A pull producer is not told to pause."""

    def stopProducing(self) -> None:
        self.drop()

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
