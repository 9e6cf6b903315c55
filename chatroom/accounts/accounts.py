"""Who somebody is: registering, logging in by password or token, and changing the password."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.accounts.login_log import Attempt
from chatroom.accounts.login_queue import Line
from chatroom.accounts.login_throttle import Guessing
from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.accounts.passwords import Passwords, same_text
from chatroom.accounts.registration import Registration
from chatroom.common.counters import Count
from chatroom.protocol import refusals
from chatroom.protocol.messages import Status, User
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store
from chatroom.store.records import Account, StoreUnavailable, Token

#: Seconds that a token is valid after its last use.
TOKEN_LIFETIME = 30 * 86400

T = TypeVar("T")

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

    Each method raises `Refused` with what the client is to be told, and logs one line. Cancelling
    `register` or `log_in` is for who is gone: it leaves the line, and undoes nothing.

    :param max_logins: how many logins and registrations are under way together; more wait in line.
        0: any number.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        *,
        policy: PasswordPolicy | None = None,
        guessing: Guessing | None = None,
        registration: Registration | None = None,
        max_logins: int = 100,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._policy = policy or PasswordPolicy()
        self._guessing = guessing or Guessing(store)
        self._registration = registration or Registration(store, self._guessing)
        self._line = Line(max_logins)
        #: What was refused since the start; the node's own are added to these.
        self.counters: Counter[str] = Counter()

    async def register(self, user: User, address: str, invite: str = "") -> None:
        """Make a new account. Of two at once for one id, exactly one is made.

        :param address: where the client is.
        """
        attempt = Attempt("Registration", user.user_id, address)
        await self._in_line(attempt, lambda: self._register(user, address, invite))

    async def log_in(
        self, user_id: int, password: str, token: str = "", *, address: str, wants_token: bool
    ) -> Login:
        """Check who it is: by ``token`` where there is one, else by ``password``.

        :param address: where the client is.
        """
        attempt = Attempt("Login", user_id, address, "ok by token" if token else "ok")
        try:
            return await self._in_line(
                attempt, lambda: self._log_in(user_id, password, token, address, wants_token)
            )
        except Refused as refused:
            if refused.refusal != refusals.STORE_DOWN:
                self.counters[Count.LOGINS_FAILED] += 1
            raise

    async def change_password(
        self, user_id: int, old: str, new: str, *, address: str, keep: str, except_session: str
    ) -> None:
        """Put ``new`` in place of ``old``; every other token and session of the user ends.

        :param address: where the client is.
        :param keep: the token that stays valid, if any.
        :param except_session: the tag of the session that goes on.
        """
        with Attempt("Password change", user_id, address).told():
            try:
                account = await self._change_password(user_id, old, new, address, except_session)
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

    async def _in_line(
        self, attempt: Attempt, work: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> T:
        async def serve() -> T:
            with attempt.told():
                return await work()

        return await self._line.wait(serve, lambda: attempt.ended("gone before its turn"))

    async def _register(self, user: User, address: str, invite: str) -> None:
        account = Account(
            user_id=user.user_id,
            name=user.user_name.strip(),
            password="",
            status=user.user_status if user.user_status in _LASTING else Status.ONLINE,
            sex=user.sex,
        )
        try:
            await self._registration.admit(invite, address)
            self._policy.check(user.user_pwd, account.user_id, account.name)
            if await self._store.account(user.user_id) is not None:
                raise Refused(refusals.ID_TAKEN)
            await self._registration.count(address)
            account.password = await self._passwords.hash(user.user_pwd)
            created = await self._store.create_account(account)
        except StoreUnavailable:
            raise Refused(refusals.REGISTER_FAILED) from None
        if not created:
            raise Refused(refusals.ID_TAKEN)

    async def _log_in(
        self, user_id: int, password: str, token: str, address: str, wants_token: bool
    ) -> Login:
        try:
            account = await self._store.account(user_id)
            if token:
                account = await self._check_token(account, token)
            else:
                account = await self._check_password(account, password, address)
                await self._rehash(account, password)
            if account.banned is not None:
                # Not before: a stranger is not told.
                raise Refused(refusals.banned(account.banned.until, account.banned.reason))
            await self._guessing.succeeded(user_id, address)
            new_token = await self._new_token(account, token) if wants_token else ""
        except StoreUnavailable:
            raise Refused(refusals.STORE_DOWN) from None
        return Login(account, new_token)

    async def _change_password(
        self, user_id: int, old: str, new: str, address: str, except_session: str
    ) -> Account:
        account = await self._check_password(await self._store.account(user_id), old, address)
        self._policy.check(new, user_id, account.name)
        hashed = await self._passwords.hash(new)
        if not await self._store.replace_password(
            account, hashed, void_tokens=True, except_session=except_session
        ):
            # Another change came between.
            raise Refused(refusals.WRONG_PASSWORD)
        return account

    async def _check_password(
        self, account: Account | None, password: str, address: str
    ) -> Account:
        """The account, if that is its password."""

        async def is_right() -> bool:
            if account is None:
                return False
            if account.legacy:
                return same_text(account.password, password)
            return await self._passwords.verify(account.password, password)

        right = await self._guessing.attempt(account.user_id if account else 0, address, is_right)
        if account is None:
            raise Refused(refusals.NO_SUCH_USER)
        if not right:
            raise Refused(refusals.WRONG_PASSWORD)
        return account

    async def _rehash(self, account: Account, password: str) -> None:
        if account.legacy or self._passwords.is_outdated(account.password):
            hashed = await self._passwords.hash(password)
            # False: another login did it at the same moment.
            await self._store.replace_password(account, hashed, void_tokens=False)

    async def _check_token(self, account: Account | None, token: str) -> Account:
        """The account, if that is a token of it.

        Tokens can't be guessed, so tries are not counted; nor do they tell whether an id exists.
        """
        known = await self._store.token(_digest(token))
        if account is None or known != Token(
            user_id=account.user_id, generation=account.generation
        ):
            raise Refused(refusals.WRONG_TOKEN)
        return account

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
