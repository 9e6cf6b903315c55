"""How one session gets its user's private messages, and how the received mark moves."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.common.clock import Clock, pause
from chatroom.conversations.feed import PAGE, RETRY, Feed, Recipient
from chatroom.conversations.rendering import ack_from, text_from
from chatroom.protocol.messages import SEQ_ZERO, Message, Seq
from chatroom.store.interface import Store
from chatroom.store.records import Entry, StoreUnavailable

_log = Logger()


class InboxFeed(Feed):
    """One session's feed of its user's mailbox.

    It is made before the session's place is known, so that no message is missed meanwhile.
    """

    def __init__(self, session: Recipient, store: Store, clock: Clock) -> None:
        super().__init__(session, store, clock, SEQ_ZERO)
        #: The user's own messages up to here are left out.
        self._own_after = SEQ_ZERO
        self._started = False
        #: A message may have been missed before the next one that comes.
        self._blind = False
        self._live = False
        #: A message came that was not handed over: read the store (again).
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
        self.follow()

    def confirm(self, seq: Seq) -> None:
        """The client has everything up to ``seq``: tell the store, until it knows.

        It can't have more than it was given, whatever it says.
        """
        self._confirmed = max(self._confirmed, min(seq, self.cursor))
        if not self._confirming:
            self._confirming = True
            Deferred.fromCoroutine(self._confirm()).addErrback(
                lambda failure: _log.failure("Moving the received mark failed", failure)
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
        """Messages may be missed from now on: hand nothing over until `look_again`."""
        self._blind = True
        self._live = False

    def look_again(self) -> None:
        """No messages are missed any more: read all after the cursor from the store."""
        self._blind = False
        self._came = True
        self._live = False
        if self._started:
            self.follow()

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
                messages.append(text_from(entry))
            elif post.id:
                messages.append(ack_from(entry))
        self.cursor = entries[-1].seq
        if messages:
            self.session.put_private(self.session.codec.encode(messages), self.cursor)
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
        # Read on until a page is empty: one that is not full may lack what could not be read.
        self._came = self._came or bool(entries)
        return entries

    async def _trimmed(self) -> Seq:
        state = await self._store.mailbox_state(self.session.user_id)
        if state.newest < self.cursor:
            # The store has lost messages that the session has: new ones may get earlier places.
            self.session.fell_behind()
            self.cursor = state.newest
        return state.trimmed
