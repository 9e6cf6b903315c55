"""What the bus brings to this node: handed to rooms, sessions, moderation and presence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.logger import Logger

from chatroom.conversations.room import Room
from chatroom.moderation.enforcement import Moderation
from chatroom.node.sessions import Session, Sessions
from chatroom.presence.presence import Presence
from chatroom.protocol import messages as wire, refusals
from chatroom.protocol.messages import LOBBY, Message, Seq
from chatroom.store.events import (
    AccountStatusEvent,
    AddressesEvent,
    AnnounceEvent,
    DuplicateEvent,
    EndEvent,
    Ending,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
    PrivateEvent,
    ReadEvent,
    ReceivedEvent,
)
from chatroom.store.records import Entry

#: What a session is told that is ended from outside.
_ENDINGS = {
    Ending.PASSWORD_CHANGED: refusals.PASSWORD_CHANGED,
    Ending.KICKED: refusals.KICKED,
}

_log = Logger()


class BusEvents:
    """This node's `BusListener`.

    :param rooms: the rooms by name, filled before the first event comes.
    """

    def __init__(
        self,
        rooms: dict[str, Room],
        sessions: Sessions,
        moderation: Moderation,
        presence: Presence,
    ) -> None:
        self._rooms = rooms
        self._sessions = sessions
        self._moderation = moderation
        self._presence = presence
        self._lapses = 0

    # ---- messages

    def room_entries(self, room: str, entries: Sequence[Entry]) -> None:
        self._rooms[room].fan_out(entries)

    def mailbox_events(self, events: Sequence[MailboxEvent]) -> None:
        for event in events:
            if isinstance(event, AccountStatusEvent):
                self._moderation.accounts_changed(event.owner)
                continue
            for session in self._sessions.of(event.owner):
                if isinstance(event, EndEvent):
                    _end(session, event)
                else:
                    _tell(session, event)

    # ---- operators and presence

    def moderation_event(self, event: ModerationEvent) -> None:
        if isinstance(event, AddressesEvent):
            self._moderation.addresses_changed()
        elif isinstance(event, AnnounceEvent):
            self._announce(event)
        else:
            _log.info("Operator: user {id} was deleted", id=event.user_id)
            self._forget_recent()

    def _announce(self, event: AnnounceEvent) -> None:
        message = wire.SmsMes(
            content=event.text,
            user_id=wire.SERVER_ID,
            user_name=wire.SERVER_NAME,
            room=LOBBY,
            sent_at=event.at,
        )
        _log.info("Operator: an announcement to {count} sessions", count=len(self._sessions))
        self._sessions.members.tell(lambda codec: codec.encode([message]))

    def _forget_recent(self) -> None:
        for room in self._rooms.values():
            room.forget_recent()

    def presence_event(self, event: PresenceEvent) -> None:
        self._presence.heard(event)

    # ---- when something was missed

    def store_lost(self, rooms: Mapping[str, Seq]) -> None:
        """Some of what the sessions have got is gone: they come back, and are told so."""
        for name, place in rooms.items():
            self._rooms[name].rewind(place)
        for session in self._sessions.all():
            session.fell_behind()

    def lease_lost(self) -> None:
        """The store had taken this node for dead: say who is here, and read what was missed."""
        _log.info("This node's lease in the store ran out: publishing again who is online")
        self._lapses += 1
        self._forget_recent()
        for session in self._sessions.all():
            if session.inbox is not None:
                session.inbox.lose_sight()
        # Not before the store knows again who is here: until then it wakes nobody.
        self._presence.publish_again().addCallback(self._catch_up, self._lapses).addErrback(
            lambda failure: _log.failure("Reading what was missed failed", failure)
        )

    def _catch_up(self, _: None, lapse: int) -> None:
        if lapse != self._lapses:
            # It has lapsed again since.
            return
        self._moderation.addresses_changed()
        self._moderation.accounts_changed(*self._sessions.users)
        for session in self._sessions.all():
            if session.inbox is not None:
                session.inbox.look_again()


def _end(session: Session, event: EndEvent) -> None:
    if event.origin == session.tag:
        return
    session.dismiss(refusals.with_words(_ENDINGS[event.ending], event.text), come_back=False)
    _log.info(
        "A session of user {id} is ended ({why}): {text!r}",
        id=event.owner,
        why=event.ending.value,
        text=event.text,
    )


def _tell(session: Session, event: MailboxEvent) -> None:
    """Tell one session of a message or a mark in its user's mailbox."""
    inbox = session.inbox
    if inbox is None:
        return
    if isinstance(event, PrivateEvent):
        inbox.deliver(event.entry)
    elif isinstance(event, DuplicateEvent):
        if event.origin == session.tag:
            inbox.acknowledge(event.seq, event.id, event.code, event.sent_at)
    elif isinstance(event, ReadEvent | ReceivedEvent) and event.origin != session.tag:
        mark: Message = (
            wire.ReadMes(peer=event.peer, seq=str(event.seq))
            if isinstance(event, ReadEvent)
            else wire.ReceivedMes(inbox=str(event.seq))
        )
        session.push(mark)
