"""Accounts, tokens and limits in Redis, the original program's accounts included."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from twisted.logger import Logger

from chatroom.protocol.display_names import tidy_name
from chatroom.protocol.messages import MAX_SEX
from chatroom.store.events import Ending
from chatroom.store.records import MOST_TOKENS, Account, Measure, Sanction, Token
from chatroom.store.redis.connection import Connection

#: Seconds that a token still works after it was replaced: for a client whose connection broke
#: while the answer with the new one was on its way.
TOKEN_GRACE = 300

#: Where the original program keeps its accounts: field = id, value = the account as JSON.
LEGACY_USERS = "users"

_log = Logger()


class _LegacyAccount(msgspec.Struct, rename="camel"):
    """An account as the original program wrote it."""

    user_pwd: str
    user_name: str = ""
    user_status: int = 0
    sex: str = ""


def _fields(account: Account, password: str) -> list[object]:
    return [
        *("name", account.name),
        *("pwd", password),
        *("status", account.status),
        *("sex", account.sex),
        *("gen", account.generation),
    ]


def _read_legacy(user_id: int, text: bytes) -> Account | None:
    try:
        legacy = msgspec.json.decode(text, type=_LegacyAccount)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _log.error("The hash 'users' holds no readable account for id {id}", id=user_id)
        return None
    return Account(
        user_id=user_id,
        # The original checked nothing: a name of any length would go out with every message.
        name=tidy_name(legacy.user_name) or str(user_id),
        password=legacy.user_pwd,
        sex=legacy.sex[:MAX_SEX],
        legacy=True,
    )


def sanction_from(until: bytes, reason: bytes, now: Sequence[bytes]) -> Sanction | None:
    """What is in force until then; None where that is over.

    :param now: what Redis answers to TIME.
    """
    sanction = Sanction(until=int(until), reason=reason.decode())
    if sanction.until:
        sanction.left = sanction.until / 1000 - int(now[0]) - int(now[1]) / 1_000_000
    return sanction if sanction.left > 0 else None


class AccountTable:
    """The part of the `Store` that holds accounts and tokens."""

    def __init__(self, commands: Connection) -> None:
        self._commands = commands

    async def account(self, user_id: int) -> Account | None:
        account = await self._own_account(user_id)
        if account is None:
            account = await self._legacy_account(user_id)
        if account is None:
            # It may have become one of ours between the two looks.
            account = await self._own_account(user_id)
        return account

    async def _own_account(self, user_id: int) -> Account | None:
        flat: list[bytes] = await self._commands.call("HGETALL", f"chatroom:account:{user_id}")
        if not flat:
            return None
        named = dict(zip(flat[::2], flat[1::2], strict=True))
        sanctions = await self._sanctions(named)
        return Account(
            user_id=user_id,
            banned=sanctions.get(Measure.BAN),
            muted=sanctions.get(Measure.MUTE),
            name=named[b"name"].decode(),
            password=named[b"pwd"].decode(),
            status=int(named[b"status"]),
            sex=named[b"sex"].decode(),
            generation=int(named[b"gen"]),
        )

    async def _sanctions(self, named: dict[bytes, bytes]) -> dict[Measure, Sanction | None]:
        found = {
            measure: (named[until], named[f"{measure.value}_reason".encode()])
            for measure in Measure
            if (until := f"{measure.value}_until".encode()) in named
        }
        if not found:
            return {}
        now = await self._commands.call("TIME")
        return {measure: sanction_from(*texts, now) for measure, texts in found.items()}

    async def _legacy_account(self, user_id: int) -> Account | None:
        text: bytes | None = await self._commands.call("HGET", LEGACY_USERS, user_id)
        return None if text is None else _read_legacy(user_id, text)

    async def create_account(self, account: Account) -> bool:
        fields = _fields(account, account.password)
        reply = await self._commands.add("create_account", account.user_id, *fields)
        await self._commands.confirm()
        return bool(reply)

    async def replace_password(
        self, account: Account, password: str, *, void_tokens: bool, except_session: str = ""
    ) -> bool:
        if account.legacy:
            return await self._adopt(account, password)
        return bool(
            await self._commands.write(
                "replace_password",
                *(account.user_id, account.password, password),
                *(int(void_tokens), Ending.PASSWORD_CHANGED.value, except_session),
            )
        )

    async def _adopt(self, account: Account, password: str) -> bool:
        text = await self._commands.call("HGET", LEGACY_USERS, account.user_id)
        if text is None or _read_legacy(account.user_id, text) != account:
            return False
        return bool(
            await self._commands.write(
                "adopt_account", account.user_id, text, *_fields(account, password)
            )
        )

    async def end_sessions(
        self, user_id: int, ending: Ending, *, except_session: str = "", text: str = ""
    ) -> None:
        await self._commands.write("end_sessions", user_id, ending.value, except_session, text)

    async def create_token(
        self, digest: str, token: Token, *, lifetime: int, replaces: str = ""
    ) -> None:
        await self._commands.write(
            "create_token",
            *(digest, token.user_id, token.generation, lifetime, replaces),
            *(TOKEN_GRACE, MOST_TOKENS),
        )

    async def token(self, digest: str) -> Token | None:
        user, generation = await self._commands.call(
            "HMGET", f"chatroom:token:{digest}", "user", "gen"
        )
        if user is None:
            return None
        return Token(user_id=int(user), generation=int(generation))

    async def delete_token(self, digest: str) -> None:
        await self._commands.write("delete_token", digest)

    # Not confirmed, here and below: what may be forgotten in a crash.

    async def guess_wait(
        self, user_id: int, address: str, *, by_address: int, at_account: int
    ) -> int:
        return int(await self._commands.run("guess_wait", user_id, address, by_address, at_account))

    async def count_failure(self, user_id: int, address: str, *, window: int) -> None:
        await self._commands.run("count_failure", user_id, address, window)

    async def remember_address(
        self, user_id: int, address: str, *, most: int, lifetime: int
    ) -> None:
        await self._commands.run("remember_address", user_id, address, most, lifetime)

    async def acquire(self, what: str, *, most: int, window: int) -> int:
        return int(await self._commands.run("acquire", what, most, window))
