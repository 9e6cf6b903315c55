"""Rooms and mailboxes in Redis: giving messages their place, and reading them back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set as AbstractSet
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from chatroom.common.waiting import Waiters
from chatroom.protocol.messages import SEQ_ZERO, Seq
from chatroom.store.records import (
    ConversationState,
    Entry,
    MailboxState,
    Outcome,
    Page,
    Post,
    Receipt,
    StoreUnavailable,
    nameless,
)
from chatroom.store.redis.connection import Connection

#: Most messages that one script call gives their place.
BATCH = 500
#: How many of a mailbox's messages are looked through at once for those of one peer.
SCAN = 1000

_encode = msgspec.json.encode
_pack = msgspec.msgpack.encode
_post_decoder = msgspec.json.Decoder(Post)

_log = Logger()

T = TypeVar("T")
#: By what the scripts say: looked up for each message, which `Outcome` itself does slowly.
_OUTCOMES = {outcome.value.encode(): outcome for outcome in Outcome}

Fields = Sequence[bytes]
#: A post on its way, as the script takes it apart, and who waits for the answer.
_Waiting = tuple[tuple[str, ...], Deferred[Receipt]]
#: What a script answers for one post: the place that it got, or outcome, place and code.
_Reply = bytes | list[bytes]


def room_key(room: str) -> str:
    """The stream that holds a room's messages."""
    return f"chatroom:room:{room}"


def mailbox_key(user_id: int) -> str:
    """The stream that holds a user's private messages, sent and received."""
    return f"chatroom:mailbox:{user_id}"


def entry_from(seq: bytes, fields: Fields) -> Entry:
    """A stream's entry: the message, when it was sent, and the code its sender is told."""
    place = Seq.parse(seq)
    if len(fields) == 4 and fields[0] == b"m" and fields[2] == b"t":
        # A room's, which has nothing else: the one that has to be quick.
        return Entry(seq=place, sent_at=int(fields[3]), post=_post_decoder.decode(fields[1]))
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(
        seq=place,
        sent_at=sent_at_of(place, named),
        post=_post_decoder.decode(named[b"m"]),
        code=int(named.get(b"c", b"200")),
    )


def sent_at_of(place: Seq, named: Mapping[bytes, bytes]) -> int:
    """When something was sent, in milliseconds since 1970.

    What an older version stored has no time of its own: its place was made from the clock then, and
    tells it unless that was wrong before.
    """
    return int(named[b"t"]) if b"t" in named else place.ms


def readable(read: Callable[[bytes, Fields], T], found: Sequence[Any]) -> list[T]:
    """What was found in a stream; what can't be read is logged and left out, alone."""
    things = []
    for seq, fields in found:
        try:
            things.append(read(seq, fields))
        except (ValueError, KeyError):
            _log.failure("An entry in the store is unreadable and was left out: {seq}", seq=seq)
    return things


def _receipt(reply: _Reply) -> Receipt:
    if isinstance(reply, bytes):
        return Receipt(outcome=Outcome.STORED, seq=Seq.parse(reply))
    return Receipt(
        outcome=_OUTCOMES[reply[0]],
        seq=Seq.parse(reply[1]),
        code=int(reply[2]) if len(reply) > 2 else 200,
        sent_at=int(reply[3]) if len(reply) > 3 else 0,
    )


def _digest(post: Post) -> str:
    """What tells whether a message sent again under an ``id`` is the same message."""
    return blake2b(f"{post.to}:{post.content}".encode(), digest_size=8).hexdigest()


class Batcher:
    """Gathers the posts of one reactor turn into one script call, one call at a time.

    So the posts of one conversation are stored in the order in which they came, and a busy server
    makes few large calls.

    :param store: stores posts, each given as the script takes it apart; fires with the replies.
    """

    def __init__(
        self,
        clock: Any,
        store: Callable[[list[tuple[str, ...]]], Awaitable[list[_Reply]]],
    ) -> None:
        self._clock = clock
        self._store = store
        self._queue: list[_Waiting] = []
        self._last: Deferred[Receipt] | None = None
        self._busy = False
        self._idle = Waiters()

    def add(self, *post: str) -> Deferred[Receipt]:
        deferred: Deferred[Receipt] = Deferred()
        self._last = deferred
        self._queue.append((post, deferred))
        if not self._busy:
            self._busy = True
            self._next_turn()
        return deferred

    def when_stored(self) -> Deferred[None]:
        """Fires when all that was given up to now is stored, or has failed."""
        stored: Deferred[None] = Deferred()

        def settled(result: T) -> T:
            stored.callback(None)
            return result

        if self._last is None or self._last.called:
            stored.callback(None)
        else:
            self._last.addBoth(settled)
        return stored

    def when_idle(self) -> Deferred[None]:
        """Fires when nothing is in hand any more."""
        return self._idle.wait() if self._busy else succeed(None)

    def _next_turn(self) -> None:
        # Between two batches too: else one that fails at once, and a caller that then tries again
        # at once, would never let go of the reactor.
        self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        if self._queue:
            batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            Deferred.fromCoroutine(self._store_batch(batch)).addBoth(lambda _: self._next_turn())
            return
        self._busy = False
        self._idle.fire()

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        try:
            replies = await self._store([post for post, _ in batch])
            receipts = [_receipt(reply) for reply in replies]
            answered = list(zip(batch, receipts, strict=True))
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait for ever
            if not isinstance(error, StoreUnavailable):
                _log.failure("Storing messages failed")
            for _, deferred in batch:
                deferred.errback(StoreUnavailable(str(error)))
            return
        for (_, deferred), receipt in answered:
            deferred.callback(receipt)


class Conversations:
    """The part of the `Store` that holds messages.

    :param deleted: users whose accounts are gone, as far as the bus has told.
    """

    def __init__(
        self,
        clock: Any,
        commands: Connection,
        *,
        room_history: int,
        mailbox_unread: int,
        mailbox_history: int,
        deleted: AbstractSet[int],
    ) -> None:
        self._clock = clock
        self._deleted = deleted
        self._commands = commands
        self._room_history = room_history
        self._rooms: dict[str, Batcher] = {}
        self._private = Batcher(
            clock, self._storing("append_private", mailbox_unread, mailbox_history)
        )

    def _storing(
        self, script: str, *first: object
    ) -> Callable[[list[tuple[str, ...]]], Awaitable[list[_Reply]]]:
        # As one argument, however many they are: what is packed here and unpacked there in C costs
        # a fraction of as many arguments.
        return lambda posts: self._commands.add(script, *first, _pack(posts))

    def _room(self, room: str) -> Batcher:
        batcher = self._rooms.get(room)
        if batcher is None:
            batcher = self._rooms[room] = Batcher(
                self._clock, self._storing("append_room", room, self._room_history)
            )
        return batcher

    async def flush(self) -> None:
        """Wait until everything that was given to be stored is stored, or has failed."""
        for batcher in (self._private, *self._rooms.values()):
            await batcher.when_idle()

    async def rooms_stored(self) -> None:
        """Wait until what was given for the rooms up to now is stored, or has failed."""
        for batcher in tuple(self._rooms.values()):
            await batcher.when_stored()

    # ---- writing

    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        return self._room(room).add(
            str(post.user_id), post.id, _digest(post), _encode(post).decode()
        )

    def append_private(self, post: Post) -> Deferred[Receipt]:
        return self._private.add(
            *(str(post.user_id), str(post.to), post.id, _digest(post)),
            *(_encode(post).decode(), post.origin),
        )

    async def mark_received(self, user_id: int, seq: Seq, origin: str) -> None:
        await self._commands.write("mark_received", user_id, seq, origin)

    async def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> None:
        await self._commands.write("mark_read", user_id, peer, seq, origin)

    # ---- reading

    async def room_state(self, room: str) -> ConversationState:
        newest, trimmed, *_ = await self._commands.run("conversation_state", room_key(room))
        return ConversationState(newest=Seq.parse(newest), trimmed=Seq.parse(trimmed))

    async def mailbox_state(self, user_id: int) -> MailboxState:
        newest, trimmed, received, unread, read = await self._commands.run(
            "conversation_state", mailbox_key(user_id)
        )
        return MailboxState(
            newest=Seq.parse(newest),
            trimmed=Seq.parse(trimmed),
            received=Seq.parse(received),
            unread=int(unread),
            read={
                int(peer): Seq.parse(seq) for peer, seq in zip(read[::2], read[1::2], strict=True)
            },
        )

    async def _after(self, stream: str, after: Seq, limit: int) -> list[Entry]:
        """It moves a session's place and acknowledges, as what the bus brings does."""
        found = await self._commands.call("XRANGE", stream, f"({after}", "+", "COUNT", limit)
        if found:
            await self._commands.confirm()
        return self._entries(found)

    def _entries(self, found: Sequence[Any]) -> list[Entry]:
        entries, deleted = readable(entry_from, found), self._deleted
        if not deleted:
            return entries
        return [nameless(one) if one.post.user_id in deleted else one for one in entries]

    async def room_after(self, room: str, after: Seq, limit: int) -> list[Entry]:
        return await self._after(room_key(room), after, limit)

    async def mailbox_after(self, user_id: int, after: Seq, limit: int) -> list[Entry]:
        return await self._after(mailbox_key(user_id), after, limit)

    async def _before(self, stream: str, before: Seq | None, limit: int) -> list[Any]:
        """Newest first."""
        if before == SEQ_ZERO:
            # Nothing is, and Redis does not know what "before the first place" means.
            return []
        end = "+" if before is None else f"({before}"
        found: list[Any] = await self._commands.call("XREVRANGE", stream, end, "-", "COUNT", limit)
        return found

    async def room_before(self, room: str, before: Seq | None, limit: int) -> Page:
        found = await self._before(room_key(room), before, limit + 1)
        return Page(entries=self._entries(found[:limit][::-1]), more=len(found) > limit)

    async def mailbox_before(self, user_id: int, peer: int, before: Seq | None, limit: int) -> Page:
        """Looks through the mailbox from its end, in steps that let other commands in between."""
        pair = {(user_id, peer), (peer, user_id)}
        wanted: list[Entry] = []
        while True:
            found = await self._before(mailbox_key(user_id), before, SCAN)
            entries = self._entries(found)
            wanted += [entry for entry in entries if (entry.post.user_id, entry.post.to) in pair]
            if len(wanted) > limit or len(found) < SCAN:
                return Page(entries=wanted[:limit][::-1], more=len(wanted) > limit)
            before = Seq.parse(found[-1][0])
