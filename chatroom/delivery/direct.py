"""The outbox that writes to its socket at once, for connections without TLS.

For a room of a thousand this is a third of the cost of `transport.write`, which always waits for
the reactor's next turn and another `poll`.

What is large and goes to many, their sockets share, where the system can do that. `socket.send`
copies what it is given into pages of each socket's own: for 12 KiB to a thousand sockets that is
12 MB of copying, which drives everything else out of the processor's caches. `os.sendfile` from a
file in memory gives all of them the same pages (on Linux). On loopback, to send 12 KiB like this
takes a fifth less CPU, 50 KiB nearly half; below 3 KiB copies are cheaper (benchmarks/README.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob

#: Bytes from which on sharing costs less than copying ...
SHARED_FROM = 4096
#: ... and the number of sockets from which on the cost of the file is made up for.
SHARED_AMONG = 8


@implementer(IPullProducer)
class DirectOutbox(Outbox):
    """Writes to the socket itself, as long as nothing waits in the transport."""

    __slots__ = ("_fileno", "_send")

    def __init__(self, transport: Any, limit: int, *, held: int = 0) -> None:
        """:param held: bytes that the transport may still hold; all else goes after them."""
        super().__init__(transport, limit)
        self._send: Callable[[bytes], int] = transport.getHandle().send
        self._fileno = transport.getHandle().fileno()
        # A pull producer is asked for more each time the transport's buffer is empty, and once
        # right now, whatever that holds.
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
        shared = len(data) >= SHARED_FROM and len(outboxes) >= SHARED_AMONG
        file = _in_memory(data) if shared else None
        if file is not None:
            try:
                _send_file(outboxes, data, file)
            finally:
                os.close(file)
        elif data:
            _send_copies(outboxes, data)

    def _take_rest(self, data: bytes, sent: int) -> None:
        """The socket is full or broken; the transport finds out which."""
        if not self._dropped:
            self.queued = self._in_transport = len(data) - sent
            self._transport.write(data[sent:])

    def resumeProducing(self) -> None:
        if self._waiting:
            self._transport.write(self._next_chunk())
        elif self.queued:
            self._drained()

    def drop(self) -> None:
        super().drop()
        # The number may soon be another connection's.
        self._fileno = -1


def _in_memory(data: bytes) -> int | None:
    """The descriptor of a file that holds ``data``, for the caller to close; None: not possible.

    Sockets refer to its pages until these are sent and acknowledged, also once the file is closed;
    so a file is written once and never again.
    """
    if not hasattr(os, "memfd_create"):
        return None
    file = -1
    try:
        file = os.memfd_create("chatroom", os.MFD_CLOEXEC)
        if os.write(file, data) == len(data):
            return file
    except OSError:
        # No descriptor or memory left, or not allowed: each socket gets a copy instead.
        pass
    if file >= 0:
        os.close(file)
    return None


# These two loops are all that a message to a thousand clients costs outside the kernel. One loop
# that calls a function for each outbox would cost half as much again, so there are two.


def _send_copies(outboxes: Collection[DirectOutbox], data: bytes) -> None:
    size = len(data)
    for outbox in outboxes:
        if outbox.queued:
            outbox._enqueue((data,))
            continue
        # Python finds a slot faster than what may be a method.
        send = outbox._send
        try:
            sent = send(data)
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
