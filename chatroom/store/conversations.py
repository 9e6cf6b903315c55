"""Rooms and mailboxes in Redis: giving messages their place, and reading them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatroom.store.connection import Connection, Script
from chatroom.store.interface import (
    ConversationState,
    Entry,
    MailboxState,
    Outcome,
    Page,
    Post,
    Receipt,
)
from chatroom.wire import Seq

#: Most messages that one script call gives their place.
BATCH = 500
#: How many of a mailbox's messages are looked through at once for those of one peer.
SCAN = 1000

_encode = msgspec.json.encode
_post_decoder = msgspec.json.Decoder(Post)

Fields = Sequence[bytes]


def room_key(room: str) -> str:
    """The stream that holds a room's messages."""
    return f"chatroom:room:{room}"


def mailbox_key(user_id: int) -> str:
    """The stream that holds a user's private messages, sent and received."""
    return f"chatroom:mailbox:{user_id}"


def entry_from(seq: bytes, fields: Fields) -> Entry:
    """A stream's entry: ``m`` is the message, ``c`` the code its sender is told."""
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(
        seq=Seq.parse(seq),
        post=_post_decoder.decode(named[b"m"]),
        code=int(named.get(b"c", b"200")),
    )


def digest(post: Post) -> str:
    """What tells whether a message sent again under an ``id`` is the same message."""
    return blake2b(f"{post.to}:{post.content}".encode(), digest_size=8).hexdigest()


class Batcher:
    """Gathers the posts of one reactor turn into one script call, one call at a time.

    So the posts of one conversation are stored in the order in which they came, and a busy server
    makes few large calls.
    """

    def __init__(
        self,
        clock: IReactorTime,
        run: Callable[[list[object]], Deferred[list[list[bytes]]]],
        arguments: Callable[[Post], tuple[object, ...]],
    ) -> None:
        self._clock = clock
        self._run = run
        self._arguments = arguments
        self._queue: list[tuple[Post, Deferred[Receipt]]] = []
        self._busy = False
        self._idle: list[Deferred[None]] = []

    def add(self, post: Post) -> Deferred[Receipt]:
        deferred: Deferred[Receipt] = Deferred()
        self._queue.append((post, deferred))
        if not self._busy:
            self._busy = True
            self._clock.callLater(0, self._flush)
        return deferred

    def when_idle(self) -> Deferred[None]:
        """Fires when nothing is in hand any more."""
        deferred: Deferred[None] = Deferred()
        if self._busy:
            self._idle.append(deferred)
        else:
            deferred.callback(None)
        return deferred

    def _flush(self) -> None:
        if not self._queue:
            self._busy = False
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)
            return
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        arguments = [argument for post, _ in batch for argument in self._arguments(post)]
        self._run(arguments).addCallbacks(
            partial(self._stored, batch), partial(self._failed, batch)
        ).addBoth(lambda _: self._flush())

    @staticmethod
    def _stored(batch: list[tuple[Post, Deferred[Receipt]]], replies: list[list[bytes]]) -> None:
        for (_, deferred), (outcome, seq, *code) in zip(batch, replies, strict=True):
            deferred.callback(
                Receipt(
                    outcome=Outcome(outcome.decode()),
                    seq=Seq.parse(seq),
                    code=int(code[0]) if code else 200,
                )
            )

    @staticmethod
    def _failed(batch: list[tuple[Post, Deferred[Receipt]]], failure: Any) -> None:
        for _, deferred in batch:
            deferred.errback(failure)


class Conversations:
    """The part of the `Store` that holds messages."""

    def __init__(
        self,
        clock: IReactorTime,
        commands: Connection,
        *,
        room_history: int,
        mailbox_unread: int,
        mailbox_history: int,
    ) -> None:
        self._clock = clock
        self._commands = commands
        self._append_room = Script("append_room")
        self._append_private = Script("append_private")
        self._mark_received = Script("mark_received")
        self._mark_read = Script("mark_read")
        self._state = Script("conversation_state")
        self._room_history = room_history
        self._rooms: dict[str, Batcher] = {}
        self._private = Batcher(
            clock,
            self._runner(self._append_private, mailbox_unread, mailbox_history),
            lambda post: (post.user_id, post.to, post.id, digest(post), _encode(post), post.origin),
        )

    def _runner(
        self, script: Script, *first: object
    ) -> Callable[[list[object]], Deferred[list[list[bytes]]]]:
        def run(arguments: list[object]) -> Deferred[list[list[bytes]]]:
            return Deferred.fromCoroutine(self._commands.run(script, *first, *arguments))

        return run

    def _room(self, room: str) -> Batcher:
        batcher = self._rooms.get(room)
        if batcher is None:
            batcher = self._rooms[room] = Batcher(
                self._clock,
                self._runner(self._append_room, room, self._room_history),
                lambda post: (post.user_id, post.id, digest(post), _encode(post)),
            )
        return batcher

    async def flush(self) -> None:
        """Wait until everything that was given to be stored is stored, or has failed."""
        for batcher in (self._private, *self._rooms.values()):
            await batcher.when_idle()

    # ---- writing

    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        return self._room(room).add(post)

    def append_private(self, post: Post) -> Deferred[Receipt]:
        return self._private.add(post)

    async def _mark(self, script: Script, *args: object) -> None:
        await self._commands.run(script, *args)

    def mark_received(self, user_id: int, seq: Seq, origin: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._mark(self._mark_received, user_id, seq, origin))

    def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._mark(self._mark_read, user_id, peer, seq, origin))

    # ---- reading

    def room_state(self, room: str) -> Deferred[ConversationState]:
        return Deferred.fromCoroutine(self._room_state(room))

    async def _room_state(self, room: str) -> ConversationState:
        newest, trimmed, *_ = await self._commands.run(self._state, room_key(room))
        return ConversationState(newest=Seq.parse(newest), trimmed=Seq.parse(trimmed))

    def mailbox_state(self, user_id: int) -> Deferred[MailboxState]:
        return Deferred.fromCoroutine(self._mailbox_state(user_id))

    async def _mailbox_state(self, user_id: int) -> MailboxState:
        newest, trimmed, received, unread, read = await self._commands.run(
            self._state, mailbox_key(user_id)
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
        found = await self._commands.call("XRANGE", stream, f"({after}", "+", "COUNT", limit)
        return [entry_from(seq, fields) for seq, fields in found]

    def room_after(self, room: str, after: Seq, limit: int) -> Deferred[list[Entry]]:
        return Deferred.fromCoroutine(self._after(room_key(room), after, limit))

    def mailbox_after(self, user_id: int, after: Seq, limit: int) -> Deferred[list[Entry]]:
        return Deferred.fromCoroutine(self._after(mailbox_key(user_id), after, limit))

    async def _before(self, stream: str, before: Seq | None, limit: int) -> list[Entry]:
        """Newest first."""
        end = "+" if before is None else f"({before}"
        found = await self._commands.call("XREVRANGE", stream, end, "-", "COUNT", limit)
        return [entry_from(seq, fields) for seq, fields in found]

    def room_before(self, room: str, before: Seq | None, limit: int) -> Deferred[Page]:
        return Deferred.fromCoroutine(self._room_before(room, before, limit))

    async def _room_before(self, room: str, before: Seq | None, limit: int) -> Page:
        found = await self._before(room_key(room), before, limit + 1)
        return Page(entries=found[:limit][::-1], more=len(found) > limit)

    def mailbox_before(
        self, user_id: int, peer: int, before: Seq | None, limit: int
    ) -> Deferred[Page]:
        return Deferred.fromCoroutine(self._mailbox_before(user_id, peer, before, limit))

    async def _mailbox_before(
        self, user_id: int, peer: int, before: Seq | None, limit: int
    ) -> Page:
        """Looks through the mailbox from its end, in steps that let other commands in between."""
        pair = {(user_id, peer), (peer, user_id)}
        found: list[Entry] = []
        while True:
            scanned = await self._before(mailbox_key(user_id), before, SCAN)
            found += [entry for entry in scanned if (entry.post.user_id, entry.post.to) in pair]
            if len(found) > limit or len(scanned) < SCAN:
                return Page(entries=found[:limit][::-1], more=len(found) > limit)
            before = scanned[-1].seq
