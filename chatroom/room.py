"""One room on this node: its place in the order, who follows it live, and the fan-out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import UNSET

from chatroom.dialects import Blob, Codec
from chatroom.store.interface import Entry
from chatroom.wire import Seq, SmsMes

#: Messages kept in memory, so that who catches up gets over the last stretch in one step.
RECENT = 128
#: Bytes that are given to a connection at once while it catches up.
SLICE = 128 * 1024

Put = Callable[[Blob], object]


class Follower(Protocol):
    """What a session is to a room; `chatroom.feeds.RoomFeed` is one."""

    tag: str

    @property
    def codec(self) -> Codec: ...

    @property
    def put(self) -> Put: ...

    #: Its place: everything up to here it has got.
    cursor: Seq

    def hand_over(self, entries: Sequence[Entry], blobs: Sequence[Blob] = ()) -> None:
        """Give it these messages, its own ones as acknowledgements, and move its cursor.

        :param blobs: each message as all but its sender get it, where it was encoded already.
        """

    def release(self) -> None:
        """Its cursor has moved: send the acknowledgements that waited for that."""


def sms_from(entry: Entry, room: str) -> SmsMes:
    """The message as everybody but its sender's session gets it."""
    post = entry.post
    return SmsMes(
        content=post.content,
        user_id=post.user_id,
        user_name=post.name,
        user_status=post.status,
        sex=post.sex,
        room=room,
        id=post.id or UNSET,
        seq=str(entry.seq),
        sent_at=entry.seq.ms,
    )


def size_of(entry: Entry) -> int:
    """About how many bytes the message is on the wire."""
    # JSON inside JSON, in UTF-8: four bytes a character is what texts come to at most.
    return 200 + 4 * len(entry.post.content)


class Room:
    """Hands what the store ordered to everyone who follows live.

    :param position: the newest message's place when this node began to follow the room.
    """

    def __init__(self, name: str, position: Seq) -> None:
        self.name = name
        self.position = position
        self._recent: deque[Entry] = deque(maxlen=RECENT)
        #: Everything after this place is in ``_recent``.
        self._recent_after = position
        self._live: dict[str, Follower] = {}
        #: For each codec, the live followers' ways out: all that a message to many touches.
        self._puts: dict[Codec, dict[str, Put]] = {}
        #: Live, but come from a node that had read further: they skip what they have.
        self._ahead: dict[str, Follower] = {}
        #: Those who wait for an acknowledgement of something sent again.
        self.expecting: set[Follower] = set()

    def join(self, follower: Follower) -> bool:
        """Let a follower go live, if what it lacks can be given to it at once.

        Nothing can slip by between catching up and going live: both are against ``position``, in
        one step. False: it has to read more from the store first.
        """
        if follower.cursor < self.position:
            if follower.cursor < self._recent_after:
                return False
            missing = [entry for entry in self._recent if entry.seq > follower.cursor]
            if sum(map(size_of, missing)) > SLICE:
                return False
            follower.hand_over(missing)
        self._live[follower.tag] = follower
        if follower.cursor > self.position:
            self._ahead[follower.tag] = follower
        else:
            self._puts.setdefault(follower.codec, {})[follower.tag] = follower.put
        return True

    def leave(self, follower: Follower) -> None:
        """The follower gets nothing more."""
        self._live.pop(follower.tag, None)
        self._ahead.pop(follower.tag, None)
        self._puts.get(follower.codec, {}).pop(follower.tag, None)
        self.expecting.discard(follower)

    def fan_out(self, entries: Sequence[Entry]) -> None:
        """What one read of the stream brought leaves as one write for each follower."""
        if not entries:
            return
        for entry in entries:
            if len(self._recent) == RECENT:
                self._recent_after = self._recent[0].seq
            self._recent.append(entry)
        self.position = entries[-1].seq
        senders = {
            entry.post.origin: self._live[entry.post.origin]
            for entry in entries
            if entry.post.origin in self._live
        }
        blobs = {
            codec: [codec.encode([sms_from(entry, self.name)]) for entry in entries]
            for codec, puts in self._puts.items()
            if puts
        }
        # First: while the others get theirs, the senders say what they say next, and all of that is
        # read, stored and handed out together.
        for follower in senders.values():
            if follower.tag not in self._ahead:
                follower.hand_over(entries, blobs[follower.codec])
        for codec, encoded in blobs.items():
            _put_to_all_but(senders, self._puts[codec], codec.join(encoded))
        if self._ahead:
            self._to_those_ahead(entries)
        for follower in tuple(self.expecting):
            follower.release()

    def _to_those_ahead(self, entries: Sequence[Entry]) -> None:
        for follower in tuple(self._ahead.values()):
            new = [entry for entry in entries if entry.seq > follower.cursor]
            if new:
                follower.hand_over(new)
            if follower.cursor <= self.position and follower.tag in self._ahead:
                del self._ahead[follower.tag]
                self._puts.setdefault(follower.codec, {})[follower.tag] = follower.put


def _put_to_all_but(senders: Collection[str], puts: dict[str, Put], blob: Blob) -> None:
    # A put may end a session, and so change the dict: go through a copy.
    others = puts.copy()
    for tag in senders:
        others.pop(tag, None)
    for put in others.values():
        put(blob)
