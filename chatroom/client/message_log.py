"""What was said and whether it was read, kept for the message list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from chatroom.client.model import Incoming
from chatroom.wire import SEQ_ZERO, Seq

#: Most messages kept that have been read. Those that have not are all kept.
MAX_READ: Final = 1000

#: Room or peer, and the place in it: what tells one message from all others.
_Key = tuple[str | int | None, Seq]


class Entry(NamedTuple):
    """A message, and whether the person has not read it yet."""

    message: Incoming
    unread: bool


class MessageLog:
    """Messages, each once however often it comes, and up to where each person's were read."""

    def __init__(self) -> None:
        self._messages: dict[_Key, Incoming] = {}
        self._unread: set[_Key] = set()
        self._read: dict[int, Seq] = {}

    @property
    def unread(self) -> int:
        """How many messages have not been read."""
        return len(self._unread)

    @property
    def peers(self) -> list[int]:
        """With whom there were private messages, the latest first."""
        return sorted(self._read, key=lambda peer: self._read[peer], reverse=True)

    def knows(self, peer: int) -> bool:
        """Whether it is known up to where the conversation with ``peer`` was read."""
        return peer in self._read

    def add_new(self, message: Incoming) -> None:
        """A message that has just come: unread, unless it is one's own or read elsewhere."""
        key = _key(message)
        if key in self._messages:
            return
        self._messages[key] = message
        if not message.own and not self._was_read(message):
            self._unread.add(key)
        self._trim()

    def add_old(self, messages: Iterable[Incoming]) -> None:
        """Messages of a conversation's history. In a room they count as read."""
        for message in messages:
            if message.kind == "private":
                self.add_new(message)
            else:
                self._messages.setdefault(_key(message), message)
        self._trim()

    def mark_read(self, peer: int, seq: Seq) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``."""
        self._read[peer] = max(seq, self._read.get(peer, SEQ_ZERO))
        self._unread = {key for key in self._unread if key[0] != peer or key[1] > self._read[peer]}

    def mark_all_read(self) -> dict[int, Seq]:
        """The person has seen everything; what is new by that, as the latest place by peer."""
        latest: dict[int, Seq] = {}
        for where, seq in self._unread:
            if isinstance(where, int):
                latest[where] = max(seq, latest.get(where, SEQ_ZERO))
        self._unread.clear()
        for peer, seq in latest.items():
            self.mark_read(peer, seq)
        return latest

    def latest(self, limit: int) -> list[Entry]:
        """The last ``limit`` messages and all that are unread, in the order of their times."""
        entries = sorted(self._messages.items(), key=_by_time)
        first = len(entries) - limit
        return [
            Entry(message, key in self._unread)
            for index, (key, message) in enumerate(entries)
            if index >= first or key in self._unread
        ]

    def _was_read(self, message: Incoming) -> bool:
        peer = message.peer
        return peer is not None and message.seq <= self._read.get(peer, SEQ_ZERO)

    def _trim(self) -> None:
        if len(self._messages) < 2 * MAX_READ + len(self._unread):
            return
        read = sorted(
            (item for item in self._messages.items() if item[0] not in self._unread), key=_by_time
        )
        for key, _ in read[:-MAX_READ]:
            del self._messages[key]


def _key(message: Incoming) -> _Key:
    return (message.peer if message.kind == "private" else message.room, message.seq)


def _by_time(item: tuple[_Key, Incoming]) -> tuple[float, Seq]:
    return item[1].sent_at.timestamp(), item[1].seq
