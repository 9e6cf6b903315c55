"""The contract of `chatroom.store.interface.Store`, for everything that implements it.

A test module makes a subclass of `StoreContract` whose fixture ``nodes`` gives `Nodes`.
"""

from __future__ import annotations

from tests.store.contract_accounts import AccountsContract
from tests.store.contract_bus import BusContract
from tests.store.contract_limits import LimitsContract
from tests.store.contract_mailboxes import MailboxContract
from tests.store.contract_marks import MarkContract
from tests.store.contract_moderation import ModerationContract
from tests.store.contract_rooms import RoomContract
from tests.store.contract_times import TimesContract


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
