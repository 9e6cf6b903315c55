"""What the store holds and answers: accounts, messages, the ends of conversations, sanctions."""

from __future__ import annotations

import math
from enum import Enum

import msgspec
from msgspec.structs import replace

from chatroom.protocol.messages import SEQ_ZERO, Person, Seq

#: Ids of a sender's messages that are remembered, so that a resent one is stored once.
REMEMBERED_IDS = 1000
#: Tokens of an account that are held: a person has fewer devices, and a login makes one each time.
MOST_TOKENS = 100
#: Actions of operators that are kept.
MOST_ACTIONS = 10_000


class StoreUnavailable(Exception):
    """The store is out of reach, or refused. The request may or may not have been carried out."""


class Sanction(msgspec.Struct, kw_only=True, gc=False):
    """A ban or a mute that is in force, as of when it was read.

    ``until`` is in milliseconds since 1970, UTC, by the store's clock, 0 for good; ``left`` in
    seconds, endless then.
    """

    until: int = 0
    reason: str = ""
    left: float = math.inf


class Measure(Enum):
    """A kind of sanction: what an account may not do."""

    #: Being online.
    BAN = "ban"
    #: Sending messages.
    MUTE = "mute"


class Account(msgspec.Struct, kw_only=True, gc=False):
    """A registered user.

    ``password`` is an argon2 hash, or, while ``legacy``, the clear text that the original program
    left in the hash ``users``. ``generation`` rises when all tokens are to become void. ``banned``
    and ``muted`` are the sanctions in force.
    """

    user_id: int
    name: str
    password: str
    status: int = 0
    sex: str = ""
    generation: int = 0
    legacy: bool = False
    banned: Sanction | None = None
    muted: Sanction | None = None

    def __repr__(self) -> str:
        """With neither hash nor password: what is shown here may get into a log."""
        return f"Account(user_id={self.user_id}, name={self.name!r}, legacy={self.legacy})"

    def person(self) -> Person:
        """The account as others see it."""
        return Person(user_id=self.user_id, user_name=self.name, user_status=self.status)


class Token(msgspec.Struct, kw_only=True, gc=False):
    """Whose token it is, and the account's ``generation`` when it was created."""

    user_id: int
    generation: int


class Post(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """A message on its way into the store, and its unchanging part once it is there.

    ``origin`` is the tag of the session that sent it; ``id`` the sender's own name for it, empty
    where there is none; ``to`` the recipient's id, 0 for a room.
    """

    user_id: int
    name: str
    status: int
    sex: str
    content: str
    id: str = ""
    to: int = 0
    origin: str = ""


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """A message in its place. ``code`` is what its sender is told: 200, or 202 (kept).

    ``sent_at`` is when the store took it, in milliseconds since 1970, UTC, by the store's clock;
    the same in both mailboxes. Later places may have earlier times: a clock can be set back.
    """

    seq: Seq
    sent_at: int
    post: Post
    code: int = 200


def nameless(entry: Entry) -> Entry:
    """A message of a deleted account, as it is read from then on: without the author's name."""
    return replace(entry, post=replace(entry.post, name="", sex=""))


class Outcome(Enum):
    """What became of a `Post`."""

    STORED = "stored"
    #: The same id with the same content was stored before.
    DUPLICATE = "known"
    #: The same id was stored before with other content.
    CONFLICT = "conflict"
    NO_RECIPIENT = "no recipient"
    MAILBOX_FULL = "mailbox full"
    #: The sender's own mailbox holds too much that no session has confirmed.
    SENDER_FULL = "sender's mailbox full"


class Receipt(msgspec.Struct, kw_only=True, gc=False):
    """The store's answer to a `Post`; ``seq`` and ``code`` only with STORED and DUPLICATE.

    ``sent_at``, as `Entry` has it, only with DUPLICATE.
    """

    outcome: Outcome
    seq: Seq = SEQ_ZERO
    code: int = 200
    sent_at: int = 0


class ConversationState(msgspec.Struct, kw_only=True, gc=False):
    """The ends of a conversation: its newest message and the newest one that was trimmed."""

    newest: Seq
    trimmed: Seq = SEQ_ZERO


class MailboxState(ConversationState, kw_only=True, gc=False):
    """A mailbox's ends and marks; ``read`` maps a peer's id to what was seen of it."""

    received: Seq
    unread: int
    read: dict[int, Seq]


class Page(msgspec.Struct, kw_only=True, gc=False):
    """A stretch of history, oldest first; ``more`` says that there is something older."""

    entries: list[Entry]
    more: bool


class Action(msgspec.Struct, kw_only=True, gc=False):
    """Something that an operator asked for.

    :ivar at: milliseconds since 1970, UTC, by the store's clock; given by the store.
    :ivar by: the operator's name on the machine where it was asked.
    """

    name: str
    target: str = ""
    reason: str = ""
    by: str = ""
    at: int = 0
