"""Put accounts with tokens into a running store, as the server itself would keep them.

    python -m benchmarks.seed SOCKET FIRST_ID COUNT

All have the password ``PASSWORD``, hashed once with the server's own costs, and the token
``bench-ID``.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from hashlib import sha256
from typing import Any

from argon2 import PasswordHasher
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from chatroom.config.redis_address import RedisAddress
from chatroom.store.records import Account, Token
from chatroom.store.redis.accounts import AccountTable
from chatroom.store.redis.connection import Connection

PASSWORD = "benchmark"
#: Accounts that are written at once.
BATCH = 500


def token_of(user_id: int) -> str:
    """What the load logs in with."""
    return f"bench-{user_id}"


async def _seed(reactor: Any, socket: str, first: int, count: int) -> None:
    connection = Connection(reactor, RedisAddress(path=socket), timeout=30)
    connection.start()
    await connection.when_ready()
    table = AccountTable(connection)
    hashed = PasswordHasher(2, 19456, 1).hash(PASSWORD)
    for begin in range(first, first + count, BATCH):
        writing: list[Coroutine[Any, Any, Any]] = []
        for user_id in range(begin, min(begin + BATCH, first + count)):
            account = Account(user_id=user_id, name=f"user{user_id}", password=hashed)
            digest = sha256(token_of(user_id).encode()).hexdigest()
            token = Token(user_id=user_id, generation=0)
            writing.append(table.create_account(account))
            writing.append(table.create_token(digest, token, lifetime=86400))
        await gatherResults([Deferred.fromCoroutine(one) for one in writing])
    await connection.stop()


def main(reactor: Any, socket: str, first: str, count: str) -> Deferred[None]:
    return Deferred.fromCoroutine(_seed(reactor, socket, int(first), int(count)))


if __name__ == "__main__":
    react(main, sys.argv[1:])
