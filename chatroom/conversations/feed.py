"""How one session gets a conversation: catching up from the store, then live.

A feed knows its place (the cursor) in the conversation's order. What the store holds after it is
read page by page as the connection drains, so a long absence overflows no queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.common.clock import Clock, pause
from chatroom.conversations.room import SLICE, Room, size_of, sms_from
from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob, Codec
from chatroom.protocol.messages import DELETED_NAME, SEQ_ZERO, AckMes, Message, PrivateMes, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Entry, StoreUnavailable

#: Messages read from the store at once while catching up.
PAGE = 100
#: Seconds until the store is asked again when it failed while a session was catching up.
RETRY = 0.5

_log = Logger()


class Session(Protocol):
    """What a feed needs of its session."""

    tag: str
    user_id: int
    codec: Codec

    @property
    def closed(self) -> bool: ...

    @property
    def outbox(self) -> Outbox:
        """The way out."""

    def put(self, blob: Blob) -> object:
        """Send what is encoded already."""

    def put_private(self, blob: Blob, seq: Seq) -> None:
        """As `put`, for private messages up to ``seq``."""

    def when_drained(self) -> Deferred[None]:
        """Fires when nothing waits to leave; never once the session is closed."""

    def fell_behind(self) -> None:
        """What was to be handed over next is no longer held: the client has to be told so."""


def ack_from(entry: Entry) -> AckMes:
    """The message as its sender's session gets it."""
    return AckMes(id=entry.post.id, code=entry.code, seq=str(entry.seq), sent_at=entry.sent_at)


class _Feed:
    """What both kinds have in common: a cursor, a loop that catches up, and acks that wait."""

    def __init__(self, session: Session, store: Store, clock: Clock, cursor: Seq) -> None:
        self.session = session
        self.tag = session.tag
        self.cursor = cursor
        self._store = store
        self._clock = clock
        self._waiting_acks: list[tuple[Seq, AckMes]] = []
        self._catching_up = False

    @property
    def codec(self) -> Codec:
        """How to encode for the session."""
        return self.session.codec

    @property
    def place(self) -> Seq:
        """Everything up to here the session has got."""
        return self.cursor

    def acknowledge(self, seq: Seq, message_id: str, code: int, sent_at: int) -> None:
        """Answer a message that the store had already, in its place in the session's order."""
        ack = AckMes(id=message_id, code=code, seq=str(seq), sent_at=sent_at)
        if seq <= self.place:
            self.session.put(self.codec.encode([ack]))
        else:
            self._waiting_acks.append((seq, ack))

    def release(self) -> None:
        """Send the acknowledgements that waited for the place that is reached now."""
        if self.session.closed:
            # An acknowledgement behind what was cut off would tell the client that it has that.
            return
        reached = [ack for seq, ack in self._waiting_acks if seq <= self.place]
        if reached:
            self._waiting_acks = [item for item in self._waiting_acks if item[0] > self.place]
            self.session.put(self.codec.encode(reached))

    def _start(self) -> None:
        """Catch up, and then go live; once at a time."""
        if self._catching_up or self._go_live():
            return
        self._catching_up = True
        Deferred.fromCoroutine(self._catch_up()).addErrback(
            lambda failure: _log.failure("Catching up failed", failure)
        )

    async def _catch_up(self) -> None:
        while True:
            await self.session.when_drained()
            cursor = self.cursor
            try:
                entries = await self._read()
                trimmed = await self._trimmed()
            except StoreUnavailable:
                await pause(self._clock, RETRY)
                continue
            if trimmed > cursor:
                self.session.fell_behind()
            await self._hand_over_slowly(entries)
            if self.session.closed or self._go_live():
                break
        self._catching_up = False

    async def _hand_over_slowly(self, entries: Sequence[Entry]) -> None:
        size, part = 0, []
        for entry in entries:
            part.append(entry)
            size += size_of(entry)
            if size >= SLICE:
                self.hand_over(part)
                size, part = 0, []
                await self.session.when_drained()
        self.hand_over(part)

    def _go_live(self) -> bool:
        raise NotImplementedError

    async def _read(self) -> Sequence[Entry]:
        raise NotImplementedError

    async def _trimmed(self) -> Seq:
        """Up to where the store has dropped what it held."""
        raise NotImplementedError

    def hand_over(self, entries: Sequence[Entry]) -> None:
        raise NotImplementedError


class RoomFeed(_Feed):
    """A session's view of a room; while live the room itself sends to it."""

    def __init__(
        self, session: Session, store: Store, clock: Clock, room: Room, cursor: Seq
    ) -> None:
        super().__init__(session, store, clock, cursor)
        self._room = room
        self._live = False

    @property
    def outbox(self) -> Outbox:
        """The session's way out."""
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
                messages.append(sms_from(entry, self._room.name))
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
        mine = list(blobs)
        for index in own:
            entry = entries[index]
            mine[index] = self.codec.encode([ack_from(entry)]) if entry.post.id else ()
        self.cursor = entries[-1].seq
        self.session.put(self.codec.join(mine))
        self.release()

    def _go_live(self) -> bool:
        self._live = self._room.join(self)
        if self.session.closed:
            # It did not take what the room gave it, and has left already.
            self._room.leave(self)
        return self._live

    async def _read(self) -> Sequence[Entry]:
        position = self._room.position
        entries = await self._store.room_after(self._room.name, self.cursor, PAGE)
        if not entries and position > self.cursor:
            # What lies between is not there any more: there is nothing left to wait for. What came
            # since is not skipped.
            self.cursor = position
            self.release()
        return entries

    async def _trimmed(self) -> Seq:
        return (await self._store.room_state(self._room.name)).trimmed


class InboxFeed(_Feed):
    """A session's view of its user's mailbox.

    Made before the session's place is known, so that nothing that comes meanwhile is missed.
    """

    def __init__(self, session: Session, store: Store, clock: Clock) -> None:
        super().__init__(session, store, clock, SEQ_ZERO)
        #: The user's own messages up to here are left out.
        self._own_after = SEQ_ZERO
        self._started = False
        #: What comes may follow on something that was missed.
        self._blind = False
        self._live = False
        #: Something came that was not handed over: the store has to be read (again).
        self._came = False
        #: What the client has confirmed, and whether the store is being told.
        self._confirmed = SEQ_ZERO
        self._confirming = False

    def start(self, cursor: Seq, newest: Seq, own_after: Seq) -> None:
        """Begin at ``cursor`` in a mailbox that ends at ``newest``.

        :param own_after: a client that does not resume gets what others sent it: of the user's own
            messages only those after this place.
        """
        self.cursor = cursor
        self._own_after = own_after
        self._came = self._came or newest > cursor
        self._started = True
        self._start()

    def confirm(self, seq: Seq) -> None:
        """The client has everything up to ``seq``: tell the store, until it knows.

        It can't have more than it was given, whatever it says.
        """
        self._confirmed = max(self._confirmed, min(seq, self.cursor))
        if not self._confirming:
            self._confirming = True
            Deferred.fromCoroutine(self._confirm()).addErrback(
                lambda failure: _log.failure("The received mark was not moved", failure)
            )

    async def _confirm(self) -> None:
        told = SEQ_ZERO
        while told < self._confirmed and not self.session.closed:
            told = self._confirmed
            try:
                await self._store.mark_received(self.session.user_id, told, self.tag)
            except StoreUnavailable:
                told = SEQ_ZERO
                await pause(self._clock, RETRY)
        self._confirming = False

    def lose_sight(self) -> None:
        """Something may be missed from now on: take nothing live until `look_again`."""
        self._blind = True
        self._live = False

    def look_again(self) -> None:
        """Nothing is missed any more: read everything after the cursor from the store."""
        self._blind = False
        self._came = True
        self._live = False
        if self._started:
            self._start()

    def deliver(self, entry: Entry) -> None:
        """A message was put into the mailbox."""
        if not self._live:
            self._came = True
        elif entry.seq > self.cursor:
            self.hand_over([entry])

    def hand_over(self, entries: Sequence[Entry]) -> None:
        if not entries or self.session.closed:
            return
        messages: list[Message] = []
        for entry in entries:
            post = entry.post
            if post.user_id == self.session.user_id and entry.seq <= self._own_after:
                continue
            if post.origin != self.tag:
                messages.append(private_from(entry))
            elif post.id:
                messages.append(ack_from(entry))
        self.cursor = entries[-1].seq
        if messages:
            self.session.put_private(self.codec.encode(messages), self.cursor)
        self.release()

    def _go_live(self) -> bool:
        if self._blind:
            # Nothing to do until `look_again`.
            return True
        self._live = not self._came
        return self._live

    async def _read(self) -> Sequence[Entry]:
        self._came = False
        try:
            entries = await self._store.mailbox_after(self.session.user_id, self.cursor, PAGE)
        except StoreUnavailable:
            self._came = True
            raise
        # Until a page is empty: one that is not full may lack what could not be read.
        self._came = self._came or bool(entries)
        return entries

    async def _trimmed(self) -> Seq:
        state = await self._store.mailbox_state(self.session.user_id)
        if state.newest < self.cursor:
            # The store has lost what the session has: what comes next may get places before that.
            self.session.fell_behind()
            self.cursor = state.newest
        return state.trimmed


def private_from(entry: Entry) -> PrivateMes:
    """A private message as a session that did not send it gets it."""
    post = entry.post
    return PrivateMes(
        content=post.content,
        user_id=post.user_id,
        user_name=post.name or DELETED_NAME,
        user_status=post.status,
        sex=post.sex,
        to_user_id=post.to,
        id=post.id or UNSET,
        seq=str(entry.seq),
        sent_at=entry.sent_at,
    )
