"""What the chat service asks of its store: accounts, conversations, presence, and the bus.

Two implementations pass one contract suite (``tests/store/contract/``): `chatroom.store.redis`,
which everybody runs, and the tests' in-memory double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from chatroom.protocol.messages import SEQ_ZERO, Person, Seq
from chatroom.store.moderation_interface import Oversight, OversightEvent, Sanction

#: Ids of a sender's messages that are remembered, so that a resent one is stored once.
REMEMBERED_IDS = 1000
#: Tokens of an account that are held: a person has fewer devices, and a login makes one each time.
MOST_TOKENS = 100


class StoreUnavailable(Exception):
    """The store can't be reached, or refuses. What was asked may or may not have been done."""


class Account(msgspec.Struct, kw_only=True, gc=False):
    """A registered user.

    ``password`` is an argon2 hash, or, while ``legacy``, the clear text that the original program
    left in the hash ``users``. ``generation`` rises when all tokens are to become void. ``banned``
    and ``muted`` are what is in force.
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
    """Who a token belongs to, and the account's ``generation`` when it was made."""

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
    """A message whose author's account was deleted, as it is read from then on."""
    return replace(entry, post=replace(entry.post, name="", sex=""))


class Outcome(Enum):
    """What became of a `Post`."""

    STORED = "stored"
    #: The same id with the same content was stored before.
    KNOWN = "known"
    #: The same id was stored before with other content.
    CONFLICT = "conflict"
    NO_RECIPIENT = "no recipient"
    MAILBOX_FULL = "mailbox full"
    #: The sender's own mailbox holds too much that no session has confirmed.
    SENDER_FULL = "sender's mailbox full"


class Receipt(msgspec.Struct, kw_only=True, gc=False):
    """The store's answer to a `Post`; ``seq`` and ``code`` only with STORED and KNOWN.

    ``sent_at``, as `Entry` has it, only with KNOWN.
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


class Store(Oversight, Protocol):
    """Everything that outlives the process. Each Deferred may fail with `StoreUnavailable`.

    What is read of an account that was deleted has no name, and its sex is not told.
    """

    # ---- accounts

    def account(self, user_id: int) -> Deferred[Account | None]:
        """The account, of this program or left by the original one."""

    def create_account(self, account: Account) -> Deferred[bool]:
        """Store a new account; False: the id is taken."""

    def replace_password(
        self, account: Account, password: str, *, void_tokens: bool, except_session: str = ""
    ) -> Deferred[bool]:
        """Put a new hash in place of ``account.password``; a legacy account becomes one of ours.

        ``void_tokens`` also ends the user's sessions on every node, in the same step, all but the
        one with the tag ``except_session``. (An account that is still legacy has neither.)

        False: the password is no longer the one in ``account``. Nothing was done then.
        """

    def set_status(self, user_id: int, status: int) -> Deferred[None]:
        """Keep a user's status, and tell every node."""

    def end_sessions(
        self, user_id: int, ending: Ending, *, except_session: str = "", text: str = ""
    ) -> Deferred[None]:
        """End a user's sessions on every node, all but the one with the tag ``except_session``."""

    # ---- what is to be had only so often

    def guess_wait(
        self, user_id: int, address: str, *, by_address: int, at_account: int
    ) -> Deferred[int]:
        """Seconds until somebody at ``address`` may guess at an account; 0: now.

        They have to wait after ``by_address`` failures of the address or ``at_account`` at the
        account; but where the address is one that has logged in to the account before, only after
        ``at_account`` failures of just that pair.

        :param user_id: 0: it is about no account.
        """

    def count_failure(self, user_id: int, address: str, *, window: int) -> Deferred[None]:
        """A guess was wrong: it counts until ``window`` seconds after the first that counts."""

    def remember_address(
        self, user_id: int, address: str, *, most: int, lifetime: int
    ) -> Deferred[None]:
        """The user has logged in from there; the ``most`` newest are known for ``lifetime`` s."""

    def acquire(self, what: str, *, most: int, window: int) -> Deferred[int]:
        """Take one of ``most`` that may be had in ``window`` seconds from the first one on.

        Gives 0, or the seconds until there are some again: none was taken then.
        """

    # ---- tokens, known by the hash of their text only

    def create_token(
        self, digest: str, token: Token, *, lifetime: int, replaces: str = ""
    ) -> Deferred[None]:
        """Keep a token for ``lifetime`` seconds; the one with digest ``replaces`` lapses soon.

        Of more than `MOST_TOKENS` of an account those that lapse first are void.
        """

    def token(self, digest: str) -> Deferred[Token | None]:
        """The token with that digest, if it is still held."""

    def delete_token(self, digest: str) -> Deferred[None]:
        """Make a token void, and the one that it replaced."""

    # ---- conversations

    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        """Give a message its place in a room. Posts are stored in the order of the calls."""

    def append_private(self, post: Post) -> Deferred[Receipt]:
        """Give a message its place in both mailboxes, and wake the nodes that hold the two."""

    def room_state(self, room: str) -> Deferred[ConversationState]: ...

    def room_after(self, room: str, after: Seq, limit: int) -> Deferred[list[Entry]]:
        """The first ``limit`` messages after a place, oldest first."""

    def room_before(self, room: str, before: Seq | None, limit: int) -> Deferred[Page]:
        """The last ``limit`` messages before a place (None: the end)."""

    def mailbox_state(self, user_id: int) -> Deferred[MailboxState]: ...

    def mailbox_after(self, user_id: int, after: Seq, limit: int) -> Deferred[list[Entry]]:
        """As `room_after`, the owner's own messages included."""

    def mailbox_before(
        self, user_id: int, peer: int, before: Seq | None, limit: int
    ) -> Deferred[Page]:
        """As `room_before`, what was said between the owner and ``peer`` only."""

    def mark_received(self, user_id: int, seq: Seq, origin: str) -> Deferred[None]:
        """Everything up to ``seq`` has safely arrived. The mark never moves back."""

    def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> Deferred[None]:
        """The person has seen the conversation with ``peer`` up to ``seq``. Never moves back.

        Without an account of that id there is nothing to see, and nothing is done.
        """

    # ---- what the nodes count

    def keep_counters(self, counters: Mapping[str, int]) -> Deferred[None]:
        """Keep what this node has counted since its start, while it lives and an hour longer."""

    def counters(self) -> Deferred[dict[str, dict[str, int]]]:
        """What each node has counted that lives, by its name; a node that counted nothing: {}."""

    # ---- this node's presence, and the bus

    def update_presence(self, present: Sequence[Person], gone: Sequence[int]) -> Deferred[None]:
        """Some of this node's users came, changed or went; every node is told."""

    def reset_presence(self, present: Sequence[Person]) -> Deferred[None]:
        """These are all of this node's users."""

    def start(self, listener: BusListener, rooms: Sequence[str]) -> Deferred[dict[str, Seq]]:
        """Reach the store, take this node's name, and follow the bus.

        Fires with the place in each room from which on the listener is told. Before that the
        listener has got a `PresenceEvent` with ``reset`` for each other node.
        """

    async def flush(self) -> None:
        """Wait until everything that was given to be stored is stored, or has failed."""

    def stop(self) -> Deferred[None]:
        """Finish what is in hand, take this node's users offline, and close the connections."""
