"""Moderation in Redis: bans, mutes, deleted accounts, and the audit log."""

from __future__ import annotations

import heapq
import re
from collections.abc import AsyncIterator, Sequence

import msgspec

from chatroom.protocol.messages import Person, Seq
from chatroom.store.records import MOST_ACTIONS, Action, Measure, Sanction
from chatroom.store.redis.accounts import LEGACY_USERS, sanction_from
from chatroom.store.redis.connection import Connection
from chatroom.store.redis.conversations import readable, sent_at_of

_ACCOUNT = re.compile(rb"chatroom:account:([1-9][0-9]*)")
_AUDIT = "chatroom:audit"
#: Keys that one step of a walk through all of them looks at.
_STEP = 1000

_encode = msgspec.json.encode
_action_decoder = msgspec.json.Decoder(Action)
_person_decoder = msgspec.json.Decoder(Person)


class ModerationTable:
    """The part of the `Store` that is for operators.

    :param rooms: in which an account's message ids may be remembered.
    """

    def __init__(self, commands: Connection, *, rooms: Sequence[str]) -> None:
        self._commands = commands
        self._forget_in = rooms

    # ---- measures

    async def impose(self, user_id: int, measure: Measure, *, seconds: int, reason: str) -> bool:
        args = (user_id, measure.value, seconds * 1000, reason)
        return bool(await self._commands.write("impose", *args))

    async def lift(self, user_id: int, measure: Measure) -> bool:
        return bool(await self._commands.write("lift", user_id, measure.value))

    async def sanctioned(self) -> list[int]:
        return sorted(int(user_id) for user_id in await self._commands.run("sanctioned"))

    async def ban_addresses(self, network: str, *, seconds: int, reason: str) -> None:
        await self._commands.write("ban_addresses", network, seconds * 1000, reason)

    async def unban_addresses(self, network: str) -> bool:
        return bool(await self._commands.write("ban_addresses", network, ""))

    async def banned_addresses(self) -> dict[str, Sanction]:
        flat = await self._commands.run("banned_addresses")
        now = await self._commands.call("TIME")
        found = {}
        for network, ban in zip(flat[::2], flat[1::2], strict=True):
            until, _, reason = ban.partition(b" ")
            sanction = sanction_from(until, reason, now)
            if sanction is not None:
                found[network.decode()] = sanction
        return found

    async def delete_account(self, user_id: int) -> bool:
        if not await self._commands.write("delete_account", user_id, *self._forget_in):
            return False
        # Without their account they are void already.
        async for key in self._tokens_of(user_id):
            await self._commands.run("delete_token_of", key, user_id)
        return True

    async def announce(self, text: str) -> int:
        return int(await self._commands.write("announce", text))

    # ---- queries

    async def user_ids(self, after: int, limit: int) -> list[int]:
        """There is no index of the accounts: who logs in needs none, and this is for operators.

        All keys are walked through, in steps that let other commands in between; only the page is
        kept in memory.
        """
        page: set[int] = set()
        async for found in self._all_ids():
            page = set(heapq.nsmallest(limit, page | {one for one in found if one > after}))
        return sorted(page)

    async def _all_ids(self) -> AsyncIterator[set[int]]:
        async for keys in self._keys("chatroom:account:*"):
            yield {int(match[1]) for key in keys if (match := _ACCOUNT.fullmatch(key))}
        async for flat in self._walk("HSCAN", LEGACY_USERS):
            yield {int(field) for field in flat[::2] if field.isdigit()}

    def _keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        return self._walk("SCAN", rest=("MATCH", pattern, "TYPE", "hash"))

    async def _walk(self, *command: object, rest: Sequence[str] = ()) -> AsyncIterator[list[bytes]]:
        cursor = b"0"
        while True:
            cursor, found = await self._commands.call(*command, cursor, *rest, "COUNT", _STEP)
            yield found
            if cursor == b"0":
                return

    async def online(self) -> dict[str, list[Person]]:
        people = {}
        for raw in await self._commands.call("SMEMBERS", "chatroom:nodes"):
            name = raw.decode()
            if await self._commands.call("EXISTS", f"chatroom:node:{name}:alive"):
                found = await self._commands.call("HVALS", f"chatroom:node:{name}:users")
                people[name] = [_person_decoder.decode(person) for person in found]
        return people

    async def token_lifetimes(self, user_id: int) -> list[int]:
        keys = [key async for key in self._tokens_of(user_id)]
        lifetimes = [int(await self._commands.call("TTL", key)) for key in keys]
        return sorted(seconds for seconds in lifetimes if seconds >= 0)

    async def _tokens_of(self, user_id: int) -> AsyncIterator[bytes]:
        async for keys in self._keys("chatroom:token:*"):
            for key in keys:
                if await self._commands.call("HGET", key, "user") == b"%d" % user_id:
                    yield key

    async def login_addresses(self, user_id: int) -> dict[str, int]:
        flat = await self._commands.run("login_addresses", user_id)
        return {
            address.decode(): int(until) * 1000
            for address, until in zip(flat[::2], flat[1::2], strict=True)
        }

    # ---- the audit log

    async def record(self, action: Action) -> None:
        await self._commands.write("record", MOST_ACTIONS, _encode(action))

    async def actions(self, limit: int) -> list[Action]:
        found = await self._commands.call("XREVRANGE", _AUDIT, "+", "-", "COUNT", limit)
        return readable(_action_from, found[::-1])


def _action_from(seq: bytes, fields: Sequence[bytes]) -> Action:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    action = _action_decoder.decode(named[b"a"])
    action.at = sent_at_of(Seq.parse(seq), named)
    return action
