"""What was said and whether it was read, kept for the message list."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from heapq import merge
from typing import Final, NamedTuple

from chatroom.client.base.model import Incoming
from chatroom.protocol.messages import SEQ_ZERO, Seq

#: Most messages kept that have been read. Those that have not are all kept.
MAX_READ: Final = 1000
#: Of what was read or said last, so many private messages and so many others are in the list
#: whatever their times: clocks are set, and a person looks again for what was there a moment ago.
JUST_READ: Final = 25

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
        #: What the person has read or said last; by whether it is private, the newest at the end.
        self._just_read: dict[bool, deque[_Key]] = {
            private: deque(maxlen=JUST_READ) for private in (True, False)
        }

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
        self._are_read(key for key in self._unread if key[0] == peer and key[1] <= self._read[peer])

    def said(self, peer: int, seq: Seq) -> None:
        """The person has written to ``peer``; history brings what."""
        self._just_read[True].append((peer, seq))

    def mark_all_read(self) -> dict[int, Seq]:
        """The person has seen everything; what is new by that, as the latest place by peer."""
        latest: dict[int, Seq] = {}
        for where, seq in self._unread:
            if isinstance(where, int):
                latest[where] = max(seq, latest.get(where, SEQ_ZERO))
        self._are_read(self._unread)
        for peer, seq in latest.items():
            self.mark_read(peer, seq)
        return latest

    def latest(self, limit: int) -> list[Entry]:
        """The last ``limit`` messages, with what was read last, and all that are unread."""
        newest_first = self._newest_first()
        chosen = {key for keys in self._just_read.values() for key in keys if key in self._messages}
        for key in newest_first:
            if len(chosen) >= limit:
                break
            chosen.add(key)
        chosen |= self._unread
        return [
            Entry(self._messages[key], key in self._unread)
            for key in reversed(newest_first)
            if key in chosen
        ]

    def _newest_first(self) -> list[_Key]:
        """All messages: a room's by their places, private ones by theirs, and these by time.

        One time that is wrong puts no message of a conversation before another.
        """
        orders: dict[str | None, list[_Key]] = {}
        for key, message in self._messages.items():
            # The private ones of all peers have their places in one mailbox.
            orders.setdefault(message.room, []).append(key)
        for keys in orders.values():
            keys.sort(key=_place, reverse=True)
        # Of what is next in each of them the latest is taken, sorted by time or not.
        return list(merge(*orders.values(), key=self._time, reverse=True))

    def _time(self, key: _Key) -> datetime:
        return self._messages[key].sent_at

    def _are_read(self, keys: Iterable[_Key]) -> None:
        keys = sorted(keys, key=_place)
        for key in keys:
            self._just_read[isinstance(key[0], int)].append(key)
        self._unread.difference_update(keys)

    def _was_read(self, message: Incoming) -> bool:
        peer = message.peer
        return peer is not None and message.seq <= self._read.get(peer, SEQ_ZERO)

    def _trim(self) -> None:
        if len(self._messages) < 2 * MAX_READ + len(self._unread):
            return
        just_read = {key for keys in self._just_read.values() for key in keys}
        read = [key for key in self._newest_first() if key not in self._unread]
        for key in read[MAX_READ:]:
            if key not in just_read:
                del self._messages[key]


def _key(message: Incoming) -> _Key:
    return (message.peer if message.kind == "private" else message.room, message.seq)


def _place(key: _Key) -> Seq:
    return key[1]
