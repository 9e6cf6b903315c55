"""What a node hears by the bus: events of mailboxes, presence and moderation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from chatroom.protocol.messages import Person, Seq
from chatroom.store.records import Entry


class PrivateEvent(msgspec.Struct, kw_only=True, gc=False):
    """A message was put into the mailbox of ``owner``."""

    owner: int
    entry: Entry


class KnownEvent(msgspec.Struct, kw_only=True, gc=False):
    """A session sent again a private message that its owner's mailbox holds already."""

    owner: int
    origin: str
    id: str
    seq: Seq
    code: int
    sent_at: int


class ReceivedEvent(msgspec.Struct, kw_only=True, gc=False):
    """The received mark of ``owner`` moved, by the session ``origin``."""

    owner: int
    origin: str
    seq: Seq


class ReadEvent(msgspec.Struct, kw_only=True, gc=False):
    """``owner`` saw the conversation with ``peer`` up to ``seq``, in the session ``origin``."""

    owner: int
    origin: str
    peer: int
    seq: Seq


class Ending(Enum):
    """Why a user's sessions end from outside."""

    PASSWORD_CHANGED = "password"  # noqa: S105 - a reason, not one of them
    KICKED = "kicked"


class EndEvent(msgspec.Struct, kw_only=True, gc=False):
    """The sessions of ``owner`` end, all but ``origin``; ``text`` is for their person, or empty."""

    owner: int
    origin: str
    ending: Ending
    text: str = ""


class StandingEvent(msgspec.Struct, kw_only=True, gc=False):
    """The account of ``owner`` was banned, muted, or deleted, or is free again: read it anew."""

    owner: int


MailboxEvent = PrivateEvent | KnownEvent | ReceivedEvent | ReadEvent | EndEvent | StandingEvent


class PresenceEvent(msgspec.Struct, kw_only=True, gc=False):
    """What changed among the users of ``node``; ``reset``: ``present`` is all there is now."""

    node: str
    present: list[Person]
    gone: list[int]
    reset: bool = False


class AnnounceEvent(msgspec.Struct, kw_only=True, gc=False):
    """Everybody is to be told ``text``; ``at`` is in milliseconds since 1970, UTC."""

    text: str
    at: int


class AddressesEvent(msgspec.Struct, kw_only=True, gc=False):
    """The banned addresses are others now."""


class DeletedEvent(msgspec.Struct, kw_only=True, gc=False):
    """An account is gone: what it wrote is nobody's any more."""

    user_id: int


OversightEvent = AnnounceEvent | AddressesEvent | DeletedEvent


class BusListener(Protocol):
    """What a node does with what the bus brings. Nothing of it may raise."""

    def room_entries(self, room: str, entries: Sequence[Entry]) -> None:
        """Messages of a room, in order, each exactly once, with none left out."""

    def mailbox_events(self, events: Sequence[MailboxEvent]) -> None:
        """What concerns users that are online on this node."""

    def oversight_event(self, event: OversightEvent) -> None:
        """An operator did what concerns every node."""

    def presence_event(self, event: PresenceEvent) -> None:
        """Users of a node came, changed or went; what this node itself told comes back too."""

    def store_lost(self, rooms: Mapping[str, Seq]) -> None:
        """The store holds less than this node had handed out, of rooms or of what concerns it.

        From these places on the rooms are told from now on; what is there after them is new. Then
        comes `lapsed`.
        """

    def lapsed(self) -> None:
        """The store had taken this node for dead: mailbox and oversight events may be missing."""
