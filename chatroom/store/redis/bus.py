"""The bus in Redis: this node reads rooms, its mailbox events and other nodes' presence.

The streams are the bus. A node follows its rooms, its own events and everybody's presence by one
``XREAD BLOCK`` after another, each from the places that it has handed out. So a broken connection
costs a delay and never a message. What a read brought is handed out, and so acknowledged, once the
store says that it is in its file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.waiting import Waiters, returns_deferred
from chatroom.protocol.messages import Person, Seq
from chatroom.store.events import (
    BusListener,
    DeletedEvent,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
)
from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.bus_events import event_from, presence_from
from chatroom.store.redis.connection import Connection, NotWritten
from chatroom.store.redis.conversations import entry_from, readable, room_key

#: Seconds without a heartbeat after which a node is considered dead.
NODE_LIFETIME = 15
#: Seconds between two heartbeats.
HEARTBEAT = 5
#: Seconds that one blocking read waits for something new.
BLOCK = 2
#: Seconds before reading again after it failed.
READ_AGAIN = 0.1
#: Most entries of one stream that one read brings.
READ_COUNT = 1000
#: Seconds between two questions whether what was read is in the store's file.
ASK_AGAIN = 0.2
#: Reads that may end without a heartbeat that was stored before they began; with one more the node
#: is deaf.
MOST_UNHEARD = 1
#: Places of a room that are remembered, to find the last one that the store still has.
REMEMBERED_PLACES = 1000

_PRESENCE = "chatroom:presence"
#: How a heartbeat's fields begin; the run follows, and its number.
_BEAT = [b"u", b"0", b"k", b"beat"]
_person_decoder = msgspec.json.Decoder(Person)
_log = Logger()


class Bus:
    """The part of the `Store` that joins the nodes.

    :param node: this node's name, the same after a restart.
    :param run: the name of this run of it, never the same again.
    :param blocking: a connection of the bus's own; its timeout must be longer than `BLOCK`.
    :param deleted: kept in step with the users whose accounts are gone.
    :param rooms_stored: waits until what was given for the rooms up to now is stored.
    """

    def __init__(
        self,
        clock: Any,
        commands: Connection,
        blocking: Connection,
        *,
        node: str,
        run: str,
        deleted: set[int],
        rooms_stored: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._commands = commands
        self._blocking = blocking
        self._node = node
        self._run = run
        self._events_key = f"chatroom:node:{node}:events"
        self._deleted = deleted
        self._rooms_stored = rooms_stored
        self._positions: dict[str, str] = {}
        self._rooms: dict[str, str] = {}
        #: The newest places in each room, those that were handed out; by its stream.
        self._handed_out: dict[str, deque[str]] = {}
        #: Whether the places are those of the store that is connected now.
        self._in_step = False
        #: Numbers of this node's heartbeats: the last that was sent, the last that was stored, the
        #: last that came back. One may be sent before another is answered.
        self._sent = 0
        self._beats = 0
        self._heard = 0
        self._unheard = 0
        self._others: set[str] = set()
        #: Those who wait for what comes next of who is online.
        self._awaiting_presence = Waiters()
        self._listener: BusListener | None = None
        #: An answer to a heartbeat was lost: that this node lost its lease is said only once.
        self._may_have_lost_lease = False
        self._reading: Deferred[None] | None = None
        self._heartbeat = LoopingCall(self._beat)
        self._heartbeat.clock = clock

    async def follow(self, listener: BusListener, rooms: Sequence[str]) -> dict[str, Seq]:
        """Take the node's name, tell the listener who is online elsewhere, and begin to read."""
        presence, events = await self._commands.run(
            "take_node", self._node, self._run, NODE_LIFETIME * 1000
        )
        self._positions = {_PRESENCE: presence.decode(), self._events_key: events.decode()}
        places = {}
        for room in rooms:
            key = room_key(room)
            newest = await self._commands.call("XREVRANGE", key, "+", "-", "COUNT", 1)
            self._positions[key] = newest[0][0].decode() if newest else "0-0"
            self._rooms[key] = room
            self._handed_out[key] = deque([self._positions[key]], REMEMBERED_PLACES)
            places[room] = Seq.parse(self._positions[key])
        await self._commands.confirm()
        await self._learn_deleted()
        await self._read_presence(listener)
        self._listener = listener
        self._in_step = True
        self._heartbeat.start(HEARTBEAT, now=False).addErrback(
            lambda failure: _log.failure("The heartbeat stopped", failure)
        )
        self._reading = Deferred.fromCoroutine(self._read(listener))
        self._reading.addErrback(_stopped_reading)
        return places

    async def leave(self) -> None:
        """Stop reading, and take this node's users offline."""
        if self._heartbeat.running:
            self._heartbeat.stop()
        if self._reading is not None:
            self._reading.cancel()
            self._awaiting_presence.fire(StoreUnavailable("stopped"))
        if self._listener is not None:
            await self._commands.run("leave_node", self._node, self._run)

    async def reconnected(self) -> None:
        """The store is back: send a heartbeat at once, and read presence again."""
        if self._listener is not None:
            # Before anything else is asked of it: what comes from here on is new.
            await self._find_places(self._listener)
            await self._beat_once(self._listener)
            await self._learn_deleted()
            await self._read_presence(self._listener)

    def out_of_step(self) -> None:
        """A connection was lost: the next one may lead to a store with other data."""
        self._in_step = False
        self._awaiting_presence.fire(StoreUnavailable("a connection to it was lost"))

    @returns_deferred
    async def presence_told(self, place: Seq) -> None:
        """Wait until the listener has been told who is online, up to this place.

        :raises StoreUnavailable: a connection was lost meanwhile.
        """
        while self._listener is not None and Seq.parse(self._positions[_PRESENCE]) < place:
            await self._awaiting_presence.wait()

    async def _find_places(self, listener: BusListener) -> None:
        """Compare the places with the store's, and where it holds less, begin where it ends.

        A replica that took over may lack what was handed out last, and its clock be behind: what it
        gives places to then would be taken for old.
        """
        asked = []
        for key, position in self._positions.items():
            known = list(self._handed_out.get(key, ()))[::-1] or [position]
            asked += [key, int(key in self._rooms), len(known), *known]
        found = await self._commands.run("compare_places", *asked)
        lost = {
            key: place.decode()
            for key, place in zip(self._positions, found, strict=True)
            if place is not None
        }
        self._positions.update(lost)
        for key in lost.keys() & self._handed_out.keys():
            self._handed_out[key] = deque([lost[key]], REMEMBERED_PLACES)
        self._beats = self._heard = self._unheard = 0
        self._in_step = True
        # Of who is online, all is about to be read anew.
        if lost.keys() - {_PRESENCE}:
            _log.warn(
                "The store holds less than this node has read from it (it failed over, or is a "
                "backup): clients that know more are told so"
            )
            self._may_have_lost_lease = True
            rooms = {room: Seq.parse(self._positions[key]) for key, room in self._rooms.items()}
            _notify(listener.store_lost, rooms)

    # ---- other nodes

    async def _read_presence(self, listener: BusListener) -> None:
        """Read who is online on the other nodes."""
        names = await self._commands.call("SMEMBERS", "chatroom:nodes")
        others = {name.decode() for name in names} - {self._node}
        for node in self._others - others - {self._node}:
            gone = PresenceEvent(node=node, present=[], gone=[], reset=True)
            _notify(listener.presence_event, gone)
        self._others = others
        for node in others:
            users = await self._commands.call("HVALS", f"chatroom:node:{node}:users")
            present = [_person_decoder.decode(user) for user in users]
            event = PresenceEvent(node=node, present=present, gone=[], reset=True)
            _notify(listener.presence_event, event)

    async def _beat(self) -> None:
        if self._listener is not None and self._commands.ready:
            try:
                await self._beat_once(self._listener)
            except StoreUnavailable as error:
                _log.debug("The heartbeat failed: {error}", error=error)

    def _listen_for_beats(self, due: int, found: Sequence[tuple[str, list[Any]]]) -> None:
        """After a read: what was stored before it began must have come, however slow all is.

        :param due: the last heartbeat that was stored when the read began.
        """
        came = sum(len(entries) for key, entries in found if key == self._events_key)
        if self._heard >= due:
            self._unheard = 0
        elif came < READ_COUNT:
            self._unheard += 1
            if self._unheard > MOST_UNHEARD:
                self._commands.drop("this node does not hear its own heartbeats from it")

    async def _beat_once(self, listener: BusListener) -> None:
        read = Seq.parse(self._positions[self._events_key])
        self._sent += 1
        number = self._sent
        try:
            state = await self._commands.run(
                "heartbeat",
                *(self._node, self._run, NODE_LIFETIME * 1000, Seq(read.ms, read.n + 1)),
                number,
            )
        except StoreUnavailable:
            self._may_have_lost_lease = True
            raise
        self._beats = number
        if state == b"taken":
            _log.error(
                "Another server runs under the node name {node}: each needs its own",
                node=self._node,
            )
        if state != b"alive" or self._may_have_lost_lease:
            self._may_have_lost_lease = False
            # At once: the next heartbeat finds nothing amiss any more.
            _notify(listener.lease_lost)
            await self._learn_deleted()

    async def _learn_deleted(self) -> None:
        found = await self._commands.call("SMEMBERS", "chatroom:deleted")
        self._deleted.update(int(user_id) for user_id in found)

    # ---- reading

    async def _read(self, listener: BusListener) -> None:
        while True:
            due = self._beats
            try:
                found = await self._read_once() if self._in_step else None
            except StoreUnavailable:
                found = None
            if found is None:
                # Not at once: it may have refused, and go on refusing.
                await deferLater(self._clock, READ_AGAIN)
                await self._commands.when_ready()
                await self._blocking.when_ready()
                continue
            for key, entries in found:
                # Before it is handed out: what can't be handed out must not come for ever.
                self._positions[key] = entries[-1][0].decode()
                self._hand_out(listener, key, entries)
            self._listen_for_beats(due, found)
            if any(key in self._rooms for key, _ in found):
                await self._gather()

    async def _read_once(self) -> list[tuple[str, list[Any]]]:
        """What came in each stream, once the store has it in its file; empty if nothing did.

        :raises StoreUnavailable: what was read may be gone again.
        """
        link = self._blocking.link
        found = await self._blocking.call(
            *("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK * 1000, "STREAMS"),
            *self._positions.keys(),
            *self._positions.values(),
        )
        if not found:
            return []
        await self._until_written(link)
        return [(stream.decode(), entries) for stream, entries in found]

    async def _until_written(self, link: object) -> None:
        """Hold what was read, which acknowledges it, as long as the store could not write it."""
        waited = False
        while True:
            try:
                await self._blocking.ask_whether_written(link)
            except NotWritten as error:
                if not waited:
                    waited = True
                    _log.error("Nothing is acknowledged: the store says that {why}", why=error)
                await deferLater(self._clock, ASK_AGAIN)
                continue
            if waited:
                _log.info("The store writes its file again; what waited is acknowledged")
            return

    async def _gather(self) -> None:
        """Let all that was said while a room was told go into the next read.

        To tell a thousand takes longer than to store. Without this, two groups of senders that are
        once out of step stay so, and each message's share of the writes is twice what it could be.
        """
        # The first turn reads the clients, and the second comes after that.
        await deferLater(self._clock, 0)
        await deferLater(self._clock, 0)
        await self._rooms_stored()

    def _hand_out(self, listener: BusListener, key: str, found: list[Any]) -> None:
        if key == _PRESENCE:
            for event in readable(presence_from, found):
                self._others.add(event.node)
                _notify(listener.presence_event, event)
            self._awaiting_presence.fire()
        elif key == self._events_key:
            self._tell_events(listener, readable(event_from, self._without_beats(found)))
        else:
            self._handed_out[key].extend(seq.decode() for seq, _ in found)
            _notify(listener.room_entries, self._rooms[key], readable(entry_from, found))

    def _without_beats(self, found: Sequence[Any]) -> list[Any]:
        """The events but for this node's own heartbeats, which are heard."""
        events = []
        for seq, fields in found:
            if fields[:4] == _BEAT:
                if fields[5] == self._run.encode():
                    self._heard = int(fields[7])
            else:
                events.append((seq, fields))
        return events

    def _tell_events(
        self, listener: BusListener, events: Sequence[MailboxEvent | ModerationEvent]
    ) -> None:
        mail: list[MailboxEvent] = []
        for event in events:
            if isinstance(event, ModerationEvent):
                if isinstance(event, DeletedEvent):
                    self._deleted.add(event.user_id)
                _notify(listener.moderation_event, event)
            else:
                mail.append(event)
        _notify(listener.mailbox_events, mail)


def _notify(what: Callable[..., None], *news: object) -> None:
    """Call the listener, whose errors must not stop the bus or the heartbeat."""
    try:
        what(*news)
    except Exception:  # noqa: BLE001
        _log.failure("Unhandled error in a bus listener")


def _stopped_reading(failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("The bus is not read any more", failure)
