"""The bounded queue of what waits to leave over one connection.

There are three kinds:

- `direct.DirectOutbox` writes to the socket itself and leaves to the transport only what the socket
  did not take.
- `TransportOutbox` writes to the transport: for TLS, where the socket is not ours to write to.
- `paced.PacedOutbox` is for the original client, which must find each frame whole with one read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from chatroom.protocol.dialects import Blob

#: Bytes that are handed to the transport at once. It copies them once more while it writes: that is
#: what a slow client may take beyond the queue's bound.
CHUNK = 64 * 1024

_NOTHING: Callable[[], object] = lambda: None  # noqa: E731


class Outbox:
    """A connection's send queue: what all three kinds have in common.

    ``queued`` is the number of bytes that wait in it. ``on_behind`` is called each time that it
    grows, once it is more than a quarter of the limit; ``on_drained`` when it falls to 0.
    ``on_full`` is called, and nothing queued, when a put finds something waiting and would raise
    ``queued`` above the limit; so one blob of any size always passes.
    """

    # There is one for each session, and a message to many touches nothing else of a session.
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
        self.on_behind = self.on_drained = self.on_full = _NOTHING
        # A list, as an empty deque takes ten times the memory.
        self._waiting: list[bytes] = []
        #: How many bytes of ``queued`` the transport holds.
        self._in_transport = 0
        #: Called when the queue is empty, which is all that is known here about what has arrived.
        self._marked: list[Callable[[], None]] = []
        self._finished: Callable[[], None] | None = None
        self._dropped = False

    def put(self, blob: Blob) -> bool:
        """Send, or queue in order; False: it was dropped."""
        raise NotImplementedError

    @staticmethod
    def put_to_all(outboxes: Collection[Any], blob: Blob) -> None:
        """`put` the same into many outboxes of this class."""
        for outbox in outboxes:
            outbox.put(blob)

    def put_marked(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        """As `put`; ``on_arrived`` is called when the peer's TCP has it, as far as can be known."""
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
        """Drop what is queued, and send this after what has left already."""
        self._waiting.clear()
        self._marked.clear()
        self.queued = self._in_transport
        # What the transport holds may end in the middle of a frame, so this goes after it.
        self._put_anyhow(blob)

    def _put_anyhow(self, blob: Blob) -> None:
        """As `put`, whatever the limit."""
        if self.queued:
            self._waiting.extend(blob)
            self.queued += sum(map(len, blob))
        else:
            self.put(blob)

    def finish(self, done: Callable[[], None], last: Blob = ()) -> None:
        """Call ``done`` once the system has taken everything queued. No put may follow.

        :param last: sent after everything queued, whatever the limit.
        """
        if last and not self._dropped:
            self._put_anyhow(last)
        if self.queued and not self._dropped:
            self._finished = done
        else:
            done()

    def drop(self) -> None:
        """The connection is gone."""
        self._dropped = True
        self._waiting.clear()
        self._marked.clear()
        self.queued = self._in_transport = 0
        self.on_behind = self.on_drained = self.on_full = _NOTHING
        self._finished = None

    def stopProducing(self) -> None:
        self.drop()


@implementer(IPushProducer)
class TransportOutbox(Outbox):
    """Writes to the transport, which pauses it while its own buffer is full."""

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
        # The transport does not say how much it holds, only that it holds something.
        self._in_transport = max(self._in_transport, 1)
        self.queued = max(self.queued, 1)

    def resumeProducing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self._transport.write(self._next_chunk())
        if not self._paused:
            self._drained()
