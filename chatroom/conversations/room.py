"""One room on this node: its place in the order, the fan-out, and the feeds that follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from chatroom.common.clock import Clock
from chatroom.conversations.feed import PAGE, Feed, Recipient
from chatroom.conversations.rendering import SLICE, ack_from, size_of, text_from
from chatroom.delivery.broadcast import Broadcast
from chatroom.protocol.dialects import Blob
from chatroom.protocol.messages import Message, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Entry

#: Messages kept in memory, so that a feed that catches up gets the newest ones in one step.
RECENT = 128


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
        self._live: dict[str, RoomFeed] = {}
        #: The send queues of the live followers that are not ahead.
        self._broadcast = Broadcast()
        #: Live, but from a node that had read further: they skip what they have got.
        self._ahead: dict[str, RoomFeed] = {}
        #: Followers that wait for the acknowledgement of a message that was sent again.
        self.expecting: set[RoomFeed] = set()

    def join(self, follower: RoomFeed) -> bool:
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
            self._broadcast.add(follower.tag, follower.session.codec, follower.session.outbox)
        return True

    def leave(self, follower: RoomFeed) -> None:
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
                follower.hand_over_live(entries, blobs[follower.session.codec], indexes)
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
                self._broadcast.add(follower.tag, follower.session.codec, follower.session.outbox)


class RoomFeed(Feed):
    """One session's feed of a room; while it is live the room sends to it directly."""

    def __init__(
        self, session: Recipient, store: Store, clock: Clock, room: Room, cursor: Seq
    ) -> None:
        super().__init__(session, store, clock, cursor)
        self._room = room
        self._live = False

    @property
    def place(self) -> Seq:
        return max(self.cursor, self._room.position) if self._live else self.cursor

    def stop(self) -> None:
        self._room.leave(self)

    def acknowledge(self, seq: Seq, message_id: str, code: int, sent_at: int) -> None:
        super().acknowledge(seq, message_id, code, sent_at)
        if self._waiting_acks:
            self._room.expecting.add(self)

    def release(self) -> None:
        super().release()
        if not self._waiting_acks:
            self._room.expecting.discard(self)

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """Send these messages, those that the session sent as acknowledgements."""
        if not entries or self.session.closed:
            return
        messages: list[Message] = []
        for entry in entries:
            if entry.post.origin != self.tag:
                messages.append(text_from(entry, self._room.name))
            elif entry.post.id:
                messages.append(ack_from(entry))
        self.cursor = entries[-1].seq
        self.session.outbox.put(self.session.codec.encode(messages))
        self.release()

    def hand_over_live(
        self, entries: Sequence[Entry], blobs: Sequence[Blob], own: Sequence[int]
    ) -> None:
        """As `hand_over`, with each message encoded already, as all but its sender get it.

        :param own: which of them the session sent itself.
        """
        if self.session.closed:
            return
        codec, mine = self.session.codec, list(blobs)
        for index in own:
            entry = entries[index]
            mine[index] = codec.encode([ack_from(entry)]) if entry.post.id else ()
        self.cursor = entries[-1].seq
        self.session.outbox.put(codec.join(mine))
        self.release()

    def _go_live(self) -> bool:
        self._live = self._room.join(self)
        if self.session.closed:
            # The session was closed while it got what it lacked, so it must not stay in the room.
            self._room.leave(self)
        return self._live

    async def _read(self) -> Sequence[Entry]:
        position = self._room.position
        entries = await self._store.room_after(self._room.name, self.cursor, PAGE)
        if not entries and position > self.cursor:
            # What lay between was trimmed, so there is nothing to wait for. What has come since
            # the position was read is not skipped.
            self.cursor = position
            self.release()
        return entries

    async def _trimmed(self) -> Seq:
        return (await self._store.room_state(self._room.name)).trimmed
