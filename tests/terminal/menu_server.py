"""A server of its own process for the tests of the menus, with its store in memory.

``python -m tests.terminal.menu_server`` prints its port. Users 100 (``Tom``) and 101 (``小明``)
exist with the password ``123456``. User 666 is known to nobody; writing "die" ends the server.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from chatroom.protocol.messages import User
from chatroom.store.records import Post, Receipt
from tests.doubles.memory_store import MemoryStore
from tests.serving import Serving


class MortalStore(MemoryStore):
    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        if post.content == "die":
            os._exit(0)
        return super().append_to_room(room, post)


async def serve() -> None:
    serving = Serving(MortalStore)
    # Who stands at the first menu may do so for as long as the machine is busy with others.
    serving.node.login_timeout = 0
    await serving.start()
    for user_id, name in ((100, "Tom"), (101, "小明")):
        user = User(user_id=user_id, user_pwd="123456", user_name=name)
        await serving.node.accounts.register(user, "")
    print(serving.port, flush=True)
    await Deferred()


def main(_: Any) -> Deferred[None]:
    return Deferred.fromCoroutine(serve())


if __name__ == "__main__":
    react(main)
