"""The id of a private store, kept in its folder as well: tells whether it is the same one."""

from __future__ import annotations

import secrets

from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.connection import Connection

_KEY = "chatroom:store"


class StoreEmpty(StoreUnavailable):
    """The store is empty, though it held data before."""


async def identify(commands: Connection, known: str) -> str:
    """The store's id, which it is given now if it has none: one from before there were ids.

    :param known: the id of the store that was here before; empty: none was.
    :raises StoreEmpty: there was one, and this one holds nothing at all.
    :raises StoreUnavailable: as `Connection.call`.
    """
    found: bytes | None = await commands.call("GET", _KEY)
    if found is not None:
        return found.decode()
    if known and not int(await commands.call("DBSIZE")):
        raise StoreEmpty("it holds nothing, though there was something in it before")
    own = known or secrets.token_hex(16)
    await commands.call("SET", _KEY, own)
    await commands.confirm()
    return own
