"""What operators ask of the store, and what nodes hear of it: a part of `Store`'s interface."""

from __future__ import annotations

import math
from enum import Enum
from typing import Protocol

import msgspec
from twisted.internet.defer import Deferred

from chatroom.protocol.messages import Person

#: Actions of operators that are kept.
MOST_ACTIONS = 10_000


class Sanction(msgspec.Struct, kw_only=True, gc=False):
    """A ban or a mute that is in force, as of when it was read.

    ``until`` is in milliseconds since 1970, UTC, by the store's clock, 0 for good; ``left`` in
    seconds, endless then.
    """

    until: int = 0
    reason: str = ""
    left: float = math.inf


class Measure(Enum):
    """What an account can be kept from."""

    #: Being online.
    BAN = "ban"
    #: Sending messages.
    MUTE = "mute"


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


class Oversight(Protocol):
    """What operators can do. Each Deferred may fail with `StoreUnavailable`.

    Every node that it concerns hears of it by the bus.
    """

    # ---- measures

    def impose(
        self, user_id: int, measure: Measure, *, seconds: int, reason: str
    ) -> Deferred[bool]:
        """Ban or mute an account for so long (0: for good); False: this program has none such."""

    def lift(self, user_id: int, measure: Measure) -> Deferred[bool]:
        """End a ban or a mute; False: there was none."""

    def sanctioned(self) -> Deferred[list[int]]:
        """The accounts that are banned or muted."""

    def ban_addresses(self, network: str, *, seconds: int, reason: str) -> Deferred[None]:
        """Ban a network, such as ``192.0.2.0/24``, for so long (0: for good)."""

    def unban_addresses(self, network: str) -> Deferred[bool]:
        """End the ban of exactly that network; False: there was none."""

    def banned_addresses(self) -> Deferred[dict[str, Sanction]]:
        """The networks that are banned."""

    def delete_account(self, user_id: int) -> Deferred[bool]:
        """Forget an account, its mailbox, marks and tokens; its id is never given out again.

        False: there is none. What it wrote to others stays, without its name.
        """

    def announce(self, text: str) -> Deferred[int]:
        """Tell everybody who is online now; how many nodes were told."""

    # ---- looking

    def user_ids(self, after: int, limit: int) -> Deferred[list[int]]:
        """The first ``limit`` ids of accounts above ``after``, those of the original included."""

    def online(self) -> Deferred[dict[str, list[Person]]]:
        """The living nodes, and who is online on each."""

    def token_lifetimes(self, user_id: int) -> Deferred[list[int]]:
        """The seconds that each of an account's tokens is still held."""

    def login_addresses(self, user_id: int) -> Deferred[dict[str, int]]:
        """Where an account has logged in from, the newest first, and until when that is known.

        Those that `Store.remember_address` was told of; in milliseconds since 1970, UTC.
        """

    # ---- the record

    def record(self, action: Action) -> Deferred[None]:
        """Keep what an operator asked for, and no more than the last `MOST_ACTIONS` of these."""

    def actions(self, limit: int) -> Deferred[list[Action]]:
        """The last ``limit`` things that operators asked for, oldest first."""
