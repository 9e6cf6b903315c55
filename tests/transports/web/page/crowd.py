"""A node with many users and no doors: ``python -m tests.transports.web.page.crowd ADDRESS COUNT``.

They are online as all nodes' users are, by what the node tells the store.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY, Person
from chatroom.store.redis.store import RedisStore
from tests.store.contract.nodes import Recorder

#: The first one's id; no test registers so many.
FIRST = 1_000_001
READY = "They are here"


async def _stay(reactor: Any, address: str, count: str) -> None:
    store = RedisStore(reactor, RedisAddress.parse(address), node="crowd")
    await store.start(Recorder(), [LOBBY])
    ids = range(FIRST, FIRST + int(count))
    people = [
        Person(user_id=user_id, user_name=f"guest {user_id}", user_status=0) for user_id in ids
    ]
    for first in range(0, len(people), 500):
        await store.update_presence(people[first : first + 500], [])
    print(READY, flush=True)
    # Until the process is ended.
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_stay(reactor, *sys.argv[1:])))
