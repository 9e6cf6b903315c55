"""What all commands of ``chatroom-admin`` share: the store, the operator's name, the output."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import TimeoutError as TookTooLong

from chatroom.admin.output import Output
from chatroom.config.errors import StartError
from chatroom.config.redis_address import RedisAddress
from chatroom.store.interface import Store
from chatroom.store.records import Account, Action
from chatroom.store.redis.store import RedisStore
from chatroom.store.valkey.supervisor import SOCKET, reachable


class Failed(Exception):
    """The command failed; the text is the one line that the operator sees."""


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


def address_of(redis: RedisAddress | None, data: Path) -> RedisAddress:
    """Where the store is: the Redis, or the private store of the server with that data folder.

    :raises Failed: no server runs there, or its folder is closed to this user.
    """
    if redis is not None:
        return redis
    folder = data / "store"
    try:
        (folder / SOCKET).stat()
        return RedisAddress(path=reachable(folder))
    except PermissionError:
        raise Failed(
            f"the data folder {data} is closed to this user: run chatroom-admin as the server's"
        ) from None
    except OSError:
        raise Failed(
            f"no server runs with the data folder {data}: start it, or give --data its folder, or "
            "--redis where it has one"
        ) from None
    except StartError as error:
        raise Failed(str(error)) from None


async def open_store(reactor: Any, address: RedisAddress, patience: float) -> RedisStore:
    """A store that answers. It follows no bus: to the servers it is not there.

    :param patience: in seconds, for the connection and for each reply.
    :raises Failed: it does not.
    """
    store = RedisStore(reactor, address, node="chatroom-admin", timeout=patience)
    try:
        await store.connect().addTimeout(patience, reactor)
    except TookTooLong:
        why = store.why_not
        await store.stop()
        raise Failed(
            f"the store at {address} is out of reach: {why}; start the server, or correct "
            "--data or --redis"
        ) from None
    return store
