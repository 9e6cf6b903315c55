"""Who somebody is: registering, logging in by password or token, and changing the password."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple

from twisted.logger import Logger

from chatroom import refusals
from chatroom.passwords import Passwords, same_text
from chatroom.refusals import Refused
from chatroom.store.interface import Account, Store, StoreUnavailable, Token
from chatroom.wire import Status, User

#: Seconds that a token is valid after its last use.
TOKEN_LIFETIME = 30 * 86400

_log = Logger()


class Login(NamedTuple):
    """A session's proof of who it is; ``token`` is empty where none was asked for."""

    account: Account
    token: str


def _digest(token: str) -> str:
    """What the store keeps of a token. It is random and long, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()


class Accounts:
    """Everything that needs a password or a token.

    Each method raises `Refused` with what the client is to be told.

    :param min_password_length: characters that a new password must have.
    """

    def __init__(self, store: Store, passwords: Passwords, *, min_password_length: int = 6) -> None:
        self._store = store
        self._passwords = passwords
        self._min_password_length = min_password_length

    async def register(self, user: User) -> None:
        """Make a new account. Of two at once for one id, exactly one is made."""
        self._check_length(user.user_pwd)
        account = Account(
            user_id=user.user_id,
            name=user.user_name.strip(),
            password="",
            status=user.user_status if user.user_status in _LASTING else Status.ONLINE,
            sex=user.sex,
        )
        try:
            if await self._store.account(user.user_id) is not None:
                raise Refused(refusals.ID_TAKEN)
            account.password = await self._passwords.hash(user.user_pwd)
            created = await self._store.create_account(account)
        except StoreUnavailable:
            raise Refused(refusals.REGISTER_FAILED) from None
        if not created:
            raise Refused(refusals.ID_TAKEN)
        _log.info("Registered {id}", id=user.user_id)

    async def log_in(
        self, user_id: int, password: str, token: str = "", *, wants_token: bool
    ) -> Login:
        """Check who it is: by ``token`` where there is one, else by ``password``."""
        try:
            account = await self._store.account(user_id)
            if account is None:
                raise Refused(refusals.NO_SUCH_USER)
            if token:
                await self._check_token(account, token)
            else:
                await self._check_password(account, password)
            new_token = await self._new_token(account, token) if wants_token else ""
        except StoreUnavailable:
            raise Refused(refusals.STORE_DOWN) from None
        return Login(account, new_token)

    async def change_password(self, user_id: int, old: str, new: str, *, keep: str) -> None:
        """Put ``new`` in place of ``old``; every token but ``keep`` becomes void."""
        self._check_length(new)
        try:
            account = await self._store.account(user_id)
            if account is None:
                raise Refused(refusals.NO_SUCH_USER)
            if not await self._passwords.verify(account.password, old):
                raise Refused(refusals.WRONG_PASSWORD)
            hashed = await self._passwords.hash(new)
            if not await self._store.replace_password(account, hashed, void_tokens=True):
                raise Refused(refusals.WRONG_PASSWORD)
        except StoreUnavailable:
            raise Refused(refusals.STORE_DOWN) from None
        if keep:
            account.generation += 1
            try:
                await self._keep_token(account, keep, replaces="")
            except StoreUnavailable:
                # The new password holds all the same; it is what the next login takes.
                _log.info("The token of {id} went with the old password", id=user_id)

    async def forget_token(self, token: str) -> None:
        """Make a token void."""
        try:
            await self._store.delete_token(_digest(token))
        except StoreUnavailable:
            raise Refused(refusals.STORE_DOWN) from None

    def _check_length(self, password: str) -> None:
        if len(password) < self._min_password_length:
            raise Refused(refusals.password_too_short(self._min_password_length))

    async def _check_password(self, account: Account, password: str) -> None:
        if account.legacy:
            right = same_text(account.password, password)
        else:
            right = await self._passwords.verify(account.password, password)
        if not right:
            raise Refused(refusals.WRONG_PASSWORD)
        if account.legacy or self._passwords.is_outdated(account.password):
            hashed = await self._passwords.hash(password)
            # False: another login did it at the same moment.
            await self._store.replace_password(account, hashed, void_tokens=False)

    async def _check_token(self, account: Account, token: str) -> None:
        known = await self._store.token(_digest(token))
        expected = Token(user_id=account.user_id, generation=account.generation)
        if known != expected:
            raise Refused(refusals.WRONG_TOKEN)

    async def _new_token(self, account: Account, old: str) -> str:
        token = token_urlsafe(32)
        await self._keep_token(account, token, replaces=_digest(old) if old else "")
        return token

    async def _keep_token(self, account: Account, token: str, *, replaces: str) -> None:
        await self._store.create_token(
            _digest(token),
            Token(user_id=account.user_id, generation=account.generation),
            lifetime=TOKEN_LIFETIME,
            replaces=replaces,
        )


#: What a status may be while nobody is online.
_LASTING = (Status.ONLINE, Status.BUSY)
