"""One room on this node: its place in the order, who follows it live, and the fan-out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from chatroom.conversations.rendering import SLICE, size_of, text_from
from chatroom.delivery.broadcast import Broadcast
from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob, Codec
from chatroom.protocol.messages import Seq
from chatroom.store.records import Entry

#: Messages kept in memory, so that a feed that catches up gets the newest ones in one step.
RECENT = 128


class Follower(Protocol):
    """What a room needs of a feed; `chatroom.conversations.room_feed.RoomFeed` is one."""

    tag: str

    @property
    def codec(self) -> Codec: ...

    @property
    def outbox(self) -> Outbox: ...

    #: Its place: it has got everything up to here.
    cursor: Seq

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """Give it these messages, those it sent as acknowledgements, and move its cursor."""

    def hand_over_live(
        self, entries: Sequence[Entry], blobs: Sequence[Blob], own: Sequence[int]
    ) -> None:
        """As `hand_over`, with each message encoded already, as all but its sender get it.

        :param own: which of them the follower sent itself.
        """

    def release(self) -> None:
        """Its cursor has moved: send the acknowledgements that waited for that."""


class Room:
    """Hands the messages that the store has ordered to all live followers.

    :param position: the newest message's place when this node began to read the room.
    """

    def __init__(self, name: str, position: Seq) -> None:
        self.name = name
        self.position = position
        #: The store has lost what lay after the first place, up to the second. Equal: nothing.
        self.lost = (position, position)
        self._recent: deque[Entry] = deque(maxlen=RECENT)
        #: Everything after this place is in ``_recent``.
        self._recent_after = position
        self._live: dict[str, Follower] = {}
        #: The send queues of the live followers that are not ahead.
        self._broadcast = Broadcast()
        #: Live, but from a node that had read further: they skip what they have got.
        self._ahead: dict[str, Follower] = {}
        #: Followers that wait for the acknowledgement of a message that was sent again.
        self.expecting: set[Follower] = set()

    def join(self, follower: Follower) -> bool:
        """Let a follower go live, if what it lacks can be given to it at once.

        Nothing is lost between catching up and going live, as both are done in one step. Returns
        False if it has to read more from the store first.
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
            self._broadcast.add(follower.tag, follower.codec, follower.outbox)
        return True

    def leave(self, follower: Follower) -> None:
        """The follower gets nothing more."""
        self._live.pop(follower.tag, None)
        self._ahead.pop(follower.tag, None)
        self._broadcast.remove(follower.tag)
        self.expecting.discard(follower)

    def rewind(self, place: Seq) -> None:
        """The store has lost what was handed out after ``place``; what comes now is new."""
        self.lost = (place, self.position)
        self.position = place
        self.forget_recent()

    def forget_recent(self) -> None:
        """A name in what is kept here may be outdated: let those who catch up ask the store."""
        self._recent.clear()
        self._recent_after = self.position

    def fan_out(self, entries: Sequence[Entry]) -> None:
        """Send what one read of the stream brought, as one write for each follower."""
        if not entries:
            return
        for entry in entries:
            if len(self._recent) == RECENT:
                self._recent_after = self._recent[0].seq
            self._recent.append(entry)
        self.position = entries[-1].seq
        own: dict[str, list[int]] = {}
        for index, entry in enumerate(entries):
            if entry.post.origin in self._live:
                own.setdefault(entry.post.origin, []).append(index)
        blobs = {
            codec: [codec.encode([text_from(entry, self.name)]) for entry in entries]
            for codec in self._broadcast.codecs()
        }
        # The senders get theirs first: while the others get theirs, the senders send their next
        # messages, which are then read, stored and handed out together.
        for tag, indexes in own.items():
            if tag in self._live and tag not in self._ahead:
                follower = self._live[tag]
                follower.hand_over_live(entries, blobs[follower.codec], indexes)
        self._broadcast.tell(lambda codec: codec.join(blobs[codec]), exclude=own)
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
                self._broadcast.add(follower.tag, follower.codec, follower.outbox)
