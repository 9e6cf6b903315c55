"""What all commands of ``chatroom-admin`` share: the store, the operator's name, the output."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from chatroom.admin.output import Output
from chatroom.admin.store_access import Failed
from chatroom.store.interface import Store
from chatroom.store.records import Account, Action


def operator() -> str:
    """The operator's user name; behind sudo, both names."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {name}" if before and before != name else name


@dataclass(frozen=True, slots=True)
class Context:
    """What a command is given: the store, and where its answer goes."""

    store: Store
    output: Output

    async def account(self, user_id: int) -> Account:
        """:raises Failed: there is none."""
        account = await self.store.account(user_id)
        if account is None:
            raise Failed(f"no such user: {user_id}")
        return account

    async def record(self, name: str, target: object = "", reason: str = "") -> None:
        """Write down what is about to be done: rather one line too many than one too few."""
        action = Action(name=name, target=str(target), reason=reason, by=operator())
        await self.store.record(action)
