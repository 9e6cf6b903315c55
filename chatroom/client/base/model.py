"""What the client library hands to its user: plain values, with no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from chatroom.protocol import messages as wire


class State(Enum):
    """The state of the connection to the server."""

    #: No connection, and none is tried: before `connect`, after a logout, or when it is hopeless.
    OFFLINE = "offline"
    #: The first connection is being made.
    CONNECTING = "connecting"
    #: The connection is up; if somebody had logged in, they are logged in again.
    ONLINE = "online"
    #: The connection was lost; another one is being made by itself.
    RECONNECTING = "reconnecting"
    #: `close` was called.
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message to be shown to the person."""

    #: "system": an announcement by the server's operator; it has no place.
    kind: Literal["room", "private", "system"]
    #: The room's name; None for a private message.
    room: str | None
    #: The other one's user id in a private conversation; None in a room.
    peer: int | None
    #: Who wrote it.
    user_id: int
    name: str
    content: str
    #: Its place in the order of its room, or of one's own mailbox; zero for "system".
    seq: wire.Seq
    #: By the server's clock, in UTC.
    sent_at: datetime
    #: The sender's own name for it, where it gave one.
    id: str | None
    #: Written by this account: elsewhere, when it comes by itself.
    own: bool
    #: It waited in the mailbox while this account was not logged in anywhere.
    late: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The server's word that a message is stored, in its place."""

    id: str
    seq: wire.Seq
    #: 200, or 202: kept for a recipient who is away. 200 also where the message itself came back
    #: after a break, in place of the acknowledgement that was lost with it.
    code: int


@dataclass(frozen=True, slots=True)
class Login:
    """What the server said at a login."""

    user_id: int
    name: str
    #: Logs in again instead of the password; each login replaces it.
    token: str
    #: Who is online; empty when there are too many (see `online`).
    users: list[wire.Person]
    #: How many are online.
    online: int
    #: How many private messages waited; they follow through ``on_text``.
    unread: int
    #: Up to where the conversation with each user has been read, on whatever device.
    read: dict[int, wire.Seq]


@dataclass(frozen=True, slots=True)
class History:
    """A page of a conversation."""

    #: Oldest first.
    messages: list[Incoming]
    #: There are older ones: ask again with ``before=str(messages[0].seq)``.
    more: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages are missing here: the server no longer holds what came before ``oldest``."""

    #: None: the gap is in the private messages.
    room: str | None
    #: The oldest place from which on messages follow.
    oldest: wire.Seq
