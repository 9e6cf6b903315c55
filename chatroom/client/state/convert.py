"""Converts the protocol's messages to the library's own types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from msgspec import UNSET, UnsetType

from chatroom.client.base.errors import Refused
from chatroom.client.base.model import Incoming, Login
from chatroom.protocol import codec, messages as wire

RefusedT = TypeVar("RefusedT", bound=Refused)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Welcome:
    """A login's answer: what the user gets, and where the conversations stand."""

    login: Login
    rooms: dict[str, wire.Seq]
    #: The mailbox's ``received`` mark.
    inbox: wire.Seq | None


def read_seq(text: str | UnsetType) -> wire.Seq:
    """:raises WireError: there is none, or it is none."""
    try:
        return wire.Seq.parse("" if text is UNSET else text)
    except ValueError:
        raise codec.WireError("a message has no place in its conversation") from None


def read_refusal(refused: type[RefusedT], message: Any) -> RefusedT:
    """What a message refuses, as an error of the kind ``refused``."""
    after, until = (getattr(message, name, UNSET) for name in ("retry_after", "until"))
    return refused(
        message.code,
        getattr(message, "error", ""),
        retry_after=None if after is UNSET else after,
        until=None if until is UNSET else until,
    )


def read_welcome(user_id: int, answer: wire.LoginResMes) -> Welcome:
    """:raises WireError: a place in it can't be read."""
    login = Login(
        user_id=user_id,
        name="" if answer.user_name is UNSET else answer.user_name,
        token="" if answer.token is UNSET else answer.token,
        users=[] if answer.users is UNSET else answer.users,
        online=0 if answer.online is UNSET else answer.online,
        unread=0 if answer.unread is UNSET else answer.unread,
        read={mark.peer: read_seq(mark.seq) for mark in answer.read or []},
    )
    return Welcome(
        login,
        {room: read_seq(seq) for room, seq in (answer.rooms or {}).items()},
        None if answer.inbox is UNSET else read_seq(answer.inbox),
    )


def read_text(message: wire.Text, reader: int, *, late: bool = False) -> Incoming:
    """A message as ``reader``, a user's id, sees it.

    :raises WireError: it has no place in its conversation.
    """
    own = message.user_id == reader
    to = message.to_user_id
    private = to is not UNSET
    return Incoming(
        kind="private" if private else "room",
        room=None if private else room_of(message),
        peer=(to if own else message.user_id) if to is not UNSET else None,
        user_id=message.user_id,
        name=message.user_name,
        content=message.content,
        seq=read_seq(message.seq),
        sent_at=_sent_at(message),
        id=None if message.id is UNSET else message.id,
        own=own,
        late=late,
    )


def is_announcement(message: wire.SmsMes) -> bool:
    """Whether the server itself speaks; that stands in no order."""
    return message.user_id == wire.SERVER_ID and message.seq is UNSET


def read_announcement(message: wire.SmsMes) -> Incoming:
    """What the server has to say to everybody."""
    return Incoming(
        kind="system",
        room=None,
        peer=None,
        user_id=message.user_id,
        name=message.user_name,
        content=message.content,
        seq=wire.SEQ_ZERO,
        sent_at=_sent_at(message),
        id=None,
        own=False,
    )


def _sent_at(message: wire.Text) -> datetime:
    sent_at = 0 if message.sent_at is UNSET else message.sent_at
    try:
        return datetime.fromtimestamp(sent_at / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return _EPOCH  # a clock gone mad is no reason to withhold the message


def room_of(message: wire.Text) -> str:
    """The room that a group message goes to."""
    return wire.LOBBY if message.room is UNSET else message.room
