"""Faults put into the program on purpose, which the checker has to find every time."""

from __future__ import annotations

from dataclasses import dataclass

#: File, text that stands there exactly once, what is put in its place.
Change = tuple[str, str, str]


@dataclass(frozen=True)
class Mutant:
    """One way to break the promise, and the fault of the world under which it shows.

    What it does it does by count, or always: none depends on the clock or on luck.
    """

    name: str
    fault: str
    #: What a verdict on it has to say, one of these: the checker must not be right by mistake.
    signs: tuple[str, ...]
    changes: tuple[Change, ...]
    #: Seconds to be well again. Short, where the sign is that something never comes.
    patience: float = 6


MUTANTS = (
    Mutant(
        "drop a write",
        "none",
        ("was never answered", "is not in the room"),
        (
            (
                "chatroom/store/redis/scripts/append_room.lua",
                "seq = redis.call('XADD', stream, '*', 'm', message, 't', now)\n",
                (
                    "seq = redis.call('XADD', stream, '*', 'm', message, 't', now)\n"
                    "    if redis.call('INCR', 'mutant') % 9 == 0 then\n"
                    "      redis.call('XDEL', stream, seq)\n"
                    "    end\n"
                ),
            ),
        ),
    ),
    Mutant(
        "acknowledge before storing",
        "both killed",
        ("was acknowledged at another place",),
        (
            (
                "chatroom/sessions/commands.py",
                "    post = _post_from(session, message)\n",
                (
                    "    post = _post_from(session, message)\n"
                    "    place = str(session.node.rooms[room].position)\n"
                    "    session.send(wire.AckMes(id=message.id, code=200, seq=place))\n"
                ),
            ),
        ),
    ),
    Mutant(
        "skip the dedupe",
        "clients cut inside the reply",
        ("doubled",),
        (
            (
                "chatroom/store/redis/scripts/append_room.lua",
                "if id ~= '' then known, code, seq = recall(ids, id) end",
                "known = nil",
            ),
        ),
        # All has to be sent again by then.
        patience=60,
    ),
    Mutant(
        "resume from one too late",
        "clients cut at a random byte",
        ("was not shown",),
        (
            (
                "chatroom/sessions/login.py",
                "        cursor = state.trimmed\n",
                (
                    "        cursor = state.trimmed\n"
                    "    elif cursor < newest:\n"
                    "        late = await node.store.room_after(name, cursor, 1)\n"
                    "        cursor = late[0].seq if late else cursor\n"
                ),
            ),
        ),
    ),
    Mutant(
        "move the mark too early",
        "clients vanish without FIN",
        ("never got",),
        (
            (
                "chatroom/conversations/inbox_feed.py",
                "        if messages:\n            self.session.put_private(",
                (
                    "        if messages:\n"
                    "            early = self._store.mark_received(\n"
                    "                self.session.user_id, self.cursor, ''\n"
                    "            )\n"
                    "            Deferred.fromCoroutine(early)\n"
                    "            self.session.put_private("
                ),
            ),
        ),
    ),
    Mutant(
        "forget the subscription",
        "store killed",
        ("was never answered",),
        (
            (
                "chatroom/store/redis/bus.py",
                "                await self._blocking.when_ready()\n                continue\n",
                (
                    "                await self._blocking.when_ready()\n"
                    "                for room in self._rooms:\n"
                    "                    self._positions.pop(room, None)\n"
                    "                continue\n"
                ),
            ),
        ),
    ),
)
