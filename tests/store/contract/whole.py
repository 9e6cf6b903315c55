"""The contract of `chatroom.store.interface.Store`, for everything that implements it.

A test module makes a subclass of `StoreContract` whose fixture ``nodes`` gives `Nodes`.
"""

from __future__ import annotations

from tests.store.contract.accounts import AccountsContract
from tests.store.contract.bus import BusContract
from tests.store.contract.limits import LimitsContract
from tests.store.contract.mailboxes import MailboxContract
from tests.store.contract.marks import MarkContract
from tests.store.contract.moderation import ModerationContract
from tests.store.contract.rooms import RoomContract
from tests.store.contract.times import TimesContract


class StoreContract(
    AccountsContract,
    LimitsContract,
    RoomContract,
    MailboxContract,
    MarkContract,
    BusContract,
    ModerationContract,
    TimesContract,
):
    """Everything that holds for any store."""
