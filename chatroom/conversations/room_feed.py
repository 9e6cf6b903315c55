"""How one session gets a room: catching up from the store, then live from the room."""

from __future__ import annotations

from collections.abc import Sequence

from chatroom.common.clock import Clock
from chatroom.conversations.feed import PAGE, Feed, Recipient
from chatroom.conversations.rendering import ack_from, text_from
from chatroom.conversations.room import Room
from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob
from chatroom.protocol.messages import Message, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Entry


class RoomFeed(Feed):
    """One session's feed of a room; while it is live the room sends to it directly."""

    def __init__(
        self, session: Recipient, store: Store, clock: Clock, room: Room, cursor: Seq
    ) -> None:
        super().__init__(session, store, clock, cursor)
        self._room = room
        self._live = False

    @property
    def outbox(self) -> Outbox:
        """The session's send queue."""
        return self.session.outbox

    @property
    def place(self) -> Seq:
        return max(self.cursor, self._room.position) if self._live else self.cursor

    def start(self) -> None:
        """Go live at once where nothing is missing, else catch up first."""
        self._start()

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
        if not entries or self.session.closed:
            return
        messages: list[Message] = []
        for entry in entries:
            if entry.post.origin != self.tag:
                messages.append(text_from(entry, self._room.name))
            elif entry.post.id:
                messages.append(ack_from(entry))
        self.cursor = entries[-1].seq
        self.session.put(self.codec.encode(messages))
        self.release()

    def hand_over_live(
        self, entries: Sequence[Entry], blobs: Sequence[Blob], own: Sequence[int]
    ) -> None:
        if self.session.closed:
            return
        codec, mine = self.session.codec, list(blobs)
        for index in own:
            entry = entries[index]
            mine[index] = codec.encode([ack_from(entry)]) if entry.post.id else ()
        self.cursor = entries[-1].seq
        self.session.put(codec.join(mine))
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
