"""Events that the bus brings to a node: of mailboxes, presence and moderation."""

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


class DuplicateEvent(msgspec.Struct, kw_only=True, gc=False):
    """A session resent a private message that its owner's mailbox holds already."""

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
    """Why a user's sessions are ended by somebody else."""

    PASSWORD_CHANGED = "password"  # noqa: S105 - a reason, not one of them
    KICKED = "kicked"


class EndEvent(msgspec.Struct, kw_only=True, gc=False):
    """The sessions of ``owner`` end, all but ``origin``; ``text`` is for their person, or empty."""

    owner: int
    origin: str
    ending: Ending
    text: str = ""


class AccountStatusEvent(msgspec.Struct, kw_only=True, gc=False):
    """``owner`` was banned, muted or deleted, or a sanction ended: read the account anew."""

    owner: int


MailboxEvent = (
    PrivateEvent | DuplicateEvent | ReceivedEvent | ReadEvent | EndEvent | AccountStatusEvent
)


class PresenceEvent(msgspec.Struct, kw_only=True, gc=False):
    """Changes among the users of ``node``; ``reset``: ``present`` is the whole list now."""

    node: str
    present: list[Person]
    gone: list[int]
    reset: bool = False


class AnnounceEvent(msgspec.Struct, kw_only=True, gc=False):
    """Everybody is to be told ``text``; ``at`` is in milliseconds since 1970, UTC."""

    text: str
    at: int


class AddressesEvent(msgspec.Struct, kw_only=True, gc=False):
    """The banned addresses have changed."""


class DeletedEvent(msgspec.Struct, kw_only=True, gc=False):
    """An account was deleted: its messages have no author any more."""

    user_id: int


ModerationEvent = AnnounceEvent | AddressesEvent | DeletedEvent


class BusListener(Protocol):
    """Handles what the bus brings to a node. No method may raise."""

    def room_entries(self, room: str, entries: Sequence[Entry]) -> None:
        """Messages of a room, in order, each exactly once, with none left out."""

    def mailbox_events(self, events: Sequence[MailboxEvent]) -> None:
        """What concerns users that are online on this node."""

    def moderation_event(self, event: ModerationEvent) -> None:
        """An operator's action that concerns every node."""

    def presence_event(self, event: PresenceEvent) -> None:
        """Users of a node came, changed or went; what this node itself told comes back too."""

    def store_lost(self, rooms: Mapping[str, Seq]) -> None:
        """The store holds less than this node had handed out, of rooms or of what concerns it.

        From these places on the rooms are told from now on; what is there after them is new. Then
        comes `lease_lost`.
        """

    def lease_lost(self) -> None:
        """The store considered this node dead: mailbox and moderation events may be missing."""
