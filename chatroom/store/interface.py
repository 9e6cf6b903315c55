"""What the chat service asks of its store: accounts, conversations, presence, moderation, the bus.

Two implementations pass one contract suite (``tests/store/contract/``): `chatroom.store.redis`,
which everybody runs, and the tests' in-memory double. Nothing is asked before it is awaited, except
for what is appended. Each may fail with `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from chatroom.protocol.messages import Person, Seq
from chatroom.store.events import BusListener, Ending
from chatroom.store.records import (
    Account,
    Action,
    ConversationState,
    Entry,
    MailboxState,
    Measure,
    Page,
    Post,
    Receipt,
    Sanction,
    Token,
)


class Store(Protocol):
    """Everything that outlives the process.

    What is read of an account that was deleted has no name, and its sex is not told.
    """

    # ---- accounts

    async def account(self, user_id: int) -> Account | None:
        """The account, of this program or left by the original one."""

    async def create_account(self, account: Account) -> bool:
        """Store a new account; False: the id is taken."""

    async def replace_password(
        self, account: Account, password: str, *, void_tokens: bool, except_session: str = ""
    ) -> bool:
        """Put a new hash in place of ``account.password``; a legacy account becomes one of ours.

        ``void_tokens`` also ends the user's sessions on every node, in the same step, all but the
        one with the tag ``except_session``. (An account that is still legacy has neither.)

        False: the password is no longer the one in ``account``. Nothing was done then.
        """

    async def set_status(self, user_id: int, status: int) -> None:
        """Keep a user's status, and tell every node: this one has been told once it returns."""

    async def end_sessions(
        self, user_id: int, ending: Ending, *, except_session: str = "", text: str = ""
    ) -> None:
        """End a user's sessions on every node, all but the one with the tag ``except_session``."""

    # ---- limits on guesses and registrations

    async def guess_wait(
        self, user_id: int, address: str, *, by_address: int, at_account: int
    ) -> int:
        """Seconds until somebody at ``address`` may guess at an account; 0: now.

        They have to wait after ``by_address`` failures of the address or ``at_account`` at the
        account; but where the address is one that has logged in to the account before, only after
        ``at_account`` failures of just that pair.

        :param user_id: 0: it is about no account.
        """

    async def count_failure(self, user_id: int, address: str, *, window: int) -> None:
        """Count a wrong guess, until ``window`` seconds after the first one that counts."""

    async def remember_address(
        self, user_id: int, address: str, *, most: int, lifetime: int
    ) -> None:
        """The user has logged in from there; the ``most`` newest are known for ``lifetime`` s."""

    async def acquire(self, what: str, *, most: int, window: int) -> int:
        """Take one of ``most`` that may be had in ``window`` seconds from the first one on.

        Gives 0, or the seconds until there are some again: none was taken then.
        """

    # ---- tokens, known by the hash of their text only

    async def create_token(
        self, digest: str, token: Token, *, lifetime: int, replaces: str = ""
    ) -> None:
        """Keep a token for ``lifetime`` seconds; the one with digest ``replaces`` lapses soon.

        Of more than `MOST_TOKENS` of an account those that lapse first are void.
        """

    async def token(self, digest: str) -> Token | None:
        """The token with that digest, if it is still held."""

    async def delete_token(self, digest: str) -> None:
        """Make a token void, and the one that it replaced."""

    # ---- rooms and mailboxes

    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        """Give a message its place in a room. Posts are stored in the order of the calls."""

    def append_private(self, post: Post) -> Deferred[Receipt]:
        """Give a message its place in both mailboxes, and wake the nodes that hold the two."""

    async def room_state(self, room: str) -> ConversationState: ...

    async def room_after(self, room: str, after: Seq, limit: int) -> list[Entry]:
        """The first ``limit`` messages after a place, oldest first."""

    async def room_before(self, room: str, before: Seq | None, limit: int) -> Page:
        """The last ``limit`` messages before a place (None: the end)."""

    async def mailbox_state(self, user_id: int) -> MailboxState: ...

    async def mailbox_after(self, user_id: int, after: Seq, limit: int) -> list[Entry]:
        """As `room_after`, the owner's own messages included."""

    async def mailbox_before(self, user_id: int, peer: int, before: Seq | None, limit: int) -> Page:
        """As `room_before`, what was said between the owner and ``peer`` only."""

    async def mark_received(self, user_id: int, seq: Seq, origin: str) -> None:
        """Everything up to ``seq`` has safely arrived. The mark never moves back."""

    async def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``. Never moves back.

        Without an account of that id there is nothing to see, and nothing is done.
        """

    # ---- who is online on this node

    async def update_presence(self, present: Sequence[Person], gone: Sequence[int]) -> None:
        """Some of this node's users came, changed or went; every node is told."""

    async def reset_presence(self, present: Sequence[Person]) -> None:
        """These are all of this node's users."""

    # ---- what operators can do; every node that it concerns hears of it by the bus

    async def impose(self, user_id: int, measure: Measure, *, seconds: int, reason: str) -> bool:
        """Ban or mute an account for so long (0: for good); False: this program has none such."""

    async def lift(self, user_id: int, measure: Measure) -> bool:
        """End a ban or a mute; False: there was none."""

    async def sanctioned(self) -> list[int]:
        """The accounts that are banned or muted."""

    async def ban_addresses(self, network: str, *, seconds: int, reason: str) -> None:
        """Ban a network, such as ``192.0.2.0/24``, for so long (0: for good)."""

    async def unban_addresses(self, network: str) -> bool:
        """End the ban of exactly that network; False: there was none."""

    async def banned_addresses(self) -> dict[str, Sanction]:
        """The networks that are banned."""

    async def delete_account(self, user_id: int) -> bool:
        """Forget an account, its mailbox, marks and tokens; its id is never given out again.

        False: there is none. What it wrote to others stays, without its name.
        """

    async def announce(self, text: str) -> int:
        """Tell everybody who is online now; how many nodes were told."""

    # ---- what operators ask

    async def user_ids(self, after: int, limit: int) -> list[int]:
        """The first ``limit`` ids of accounts above ``after``, those of the original included."""

    async def online(self) -> dict[str, list[Person]]:
        """The living nodes, and who is online on each."""

    async def token_lifetimes(self, user_id: int) -> list[int]:
        """The seconds that each of an account's tokens is still held."""

    async def login_addresses(self, user_id: int) -> dict[str, int]:
        """Where an account has logged in from, the newest first, and until when that is known.

        Those that `remember_address` was told of; in milliseconds since 1970, UTC.
        """

    # ---- the audit log

    async def record(self, action: Action) -> None:
        """Keep what an operator asked for, and no more than the last `MOST_ACTIONS` of these."""

    async def actions(self, limit: int) -> list[Action]:
        """The last ``limit`` things that operators asked for, oldest first."""

    # ---- the nodes

    async def keep_counters(self, counters: Mapping[str, int]) -> None:
        """Keep what this node has counted since its start, while it lives and an hour longer."""

    async def counters(self) -> dict[str, dict[str, int]]:
        """What each node has counted that lives, by its name; a node that counted nothing: {}."""

    async def start(self, listener: BusListener, rooms: Sequence[str]) -> dict[str, Seq]:
        """Connect to the store, take this node's name, and follow the bus.

        Fires with the place in each room from which on the listener is told. Before that the
        listener has got a `PresenceEvent` with ``reset`` for each other node.
        """

    async def flush(self) -> None:
        """Wait until everything that was given to be stored is stored, or has failed."""

    async def stop(self) -> None:
        """Finish what is in hand, take this node's users offline, and close the connections."""
