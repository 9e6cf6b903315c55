"""What a node writes about itself in Redis: who is online on it, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chatroom.protocol.messages import Person
from chatroom.store.redis.connection import Connection

_encode = msgspec.json.encode


class NodeTable:
    """The part of the `Store` that holds who is online, and the nodes' counters.

    :param node: this node's name, the same after a restart.
    """

    def __init__(self, commands: Connection, *, node: str) -> None:
        self._commands = commands
        self._node = node

    async def reset_presence(self, present: Sequence[Person]) -> None:
        await self.update_presence(present, (), reset=True)

    async def update_presence(
        self, present: Sequence[Person], gone: Sequence[int], *, reset: bool = False
    ) -> None:
        await self._commands.run(
            "update_presence",
            *(self._node, int(reset), _encode(present), _encode(gone), len(present)),
            *(item for person in present for item in (person.user_id, _encode(person))),
            *gone,
        )

    async def keep_counters(self, counters: Mapping[str, int]) -> None:
        flat = [item for pair in counters.items() for item in pair]
        await self._commands.run("keep_counters", self._node, *flat)

    async def counters(self) -> dict[str, dict[str, int]]:
        found: list[tuple[bytes, list[bytes]]] = await self._commands.run("counters")
        return {
            node.decode(): {
                name.decode(): int(number)
                for name, number in zip(flat[::2], flat[1::2], strict=True)
            }
            for node, flat in found
        }
