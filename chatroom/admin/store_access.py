"""Opens the store that running servers use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import TimeoutError as TookTooLong

from chatroom.config.errors import StartError
from chatroom.config.redis_address import RedisAddress
from chatroom.store.redis.store import RedisStore
from chatroom.store.valkey.supervisor import SOCKET, reachable


class Failed(Exception):
    """The command failed; the text is the one line that the operator sees."""


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
