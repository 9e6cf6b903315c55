"""What room and inbox feeds have in common: catching up from the store, then live.

A feed knows its place (the cursor) in the conversation's order. What the store holds after it is
read page by page as the connection drains, so a long absence does not overflow the send queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.common.clock import Clock, pause
from chatroom.conversations.rendering import SLICE, size_of
from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob, Codec
from chatroom.protocol.messages import AckMes, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Entry, StoreUnavailable

#: Messages read from the store at once while catching up.
PAGE = 100
#: Seconds until the store is asked again when it failed while a session was catching up.
RETRY = 0.5

_log = Logger()


class Recipient(Protocol):
    """What a feed needs of its session."""

    tag: str
    user_id: int
    codec: Codec

    @property
    def closed(self) -> bool: ...

    @property
    def outbox(self) -> Outbox:
        """The connection's send queue."""

    def put_private(self, blob: Blob, seq: Seq) -> None:
        """Send encoded private messages up to ``seq``."""

    def when_drained(self) -> Deferred[None]:
        """Fires when the send queue is empty; never once the session is closed."""

    def fell_behind(self) -> None:
        """The store no longer holds what comes next: tell the client."""


class Feed:
    """A cursor, a loop that catches up, and acknowledgements that wait for their place."""

    def __init__(self, session: Recipient, store: Store, clock: Clock, cursor: Seq) -> None:
        self.session = session
        self.tag = session.tag
        self.cursor = cursor
        self._store = store
        self._clock = clock
        self._waiting_acks: list[tuple[Seq, AckMes]] = []
        self._catching_up = False

    @property
    def place(self) -> Seq:
        """The session has got everything up to here."""
        return self.cursor

    def acknowledge(self, seq: Seq, message_id: str, code: int, sent_at: int) -> None:
        """Acknowledge a message that the store had already, once the session has got so far."""
        ack = AckMes(id=message_id, code=code, seq=str(seq), sent_at=sent_at)
        if seq <= self.place:
            self.session.outbox.put(self.session.codec.encode([ack]))
        else:
            self._waiting_acks.append((seq, ack))

    def release(self) -> None:
        """Send the acknowledgements whose place is reached now."""
        if self.session.closed:
            # An acknowledgement behind what was cut off would tell the client that it has that.
            return
        reached = [ack for seq, ack in self._waiting_acks if seq <= self.place]
        if reached:
            self._waiting_acks = [item for item in self._waiting_acks if item[0] > self.place]
            self.session.outbox.put(self.session.codec.encode(reached))

    def follow(self) -> None:
        """Go live at once where nothing is missing, else catch up first; once at a time."""
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
        """The place up to which the store has trimmed the conversation."""
        raise NotImplementedError

    def hand_over(self, entries: Sequence[Entry]) -> None:
        raise NotImplementedError
