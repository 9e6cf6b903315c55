"""Registering, logging in by password or token, and changing the password."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.accounts.login_log import Attempt
from chatroom.accounts.login_queue import LoginQueue
from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.accounts.passwords import Passwords, same_text
from chatroom.accounts.registration import Registration
from chatroom.accounts.tokens import Tokens
from chatroom.common.counters import Count
from chatroom.protocol import refusals
from chatroom.protocol.messages import Status, User
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store
from chatroom.store.records import Account, StoreUnavailable

T = TypeVar("T")

_log = Logger()


class Login(NamedTuple):
    """A login that succeeded; ``token`` is empty if the client did not ask for one."""

    account: Account
    token: str


class Accounts:
    """Everything that needs a password or a token.

    Each method raises `Refused` with what the client is to be told, and logs one line. `register`
    and `log_in` may be cancelled when the client has disconnected: a login that still waits in the
    queue is dropped, and one that has begun goes on to its end.

    :param max_logins: how many logins and registrations run at the same time; more wait in a queue.
        0: no limit.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        *,
        policy: PasswordPolicy | None = None,
        throttle: LoginThrottle | None = None,
        registration: Registration | None = None,
        max_logins: int = 100,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self.tokens = Tokens(store)
        self._policy = policy or PasswordPolicy()
        self._throttle = throttle or LoginThrottle(store)
        self._registration = registration or Registration(store, self._throttle)
        self._queue = LoginQueue(max_logins)
        #: What was refused since the start; the node adds what it refuses itself.
        self.counters: Counter[str] = Counter()

    async def register(self, user: User, address: str, invite: str = "") -> None:
        """Make a new account. Of two simultaneous requests for one id exactly one succeeds.

        :param address: where the client is.
        """
        attempt = Attempt("Registration", user.user_id, address)
        await self._in_turn(attempt, lambda: self._register(user, address, invite))

    async def log_in(
        self, user_id: int, password: str, token: str = "", *, address: str, wants_token: bool
    ) -> Login:
        """Check the ``token`` if there is one, else the ``password``.

        :param address: where the client is.
        """
        attempt = Attempt("Login", user_id, address, "ok by token" if token else "ok")
        try:
            return await self._in_turn(
                attempt, lambda: self._log_in(user_id, password, token, address, wants_token)
            )
        except Refused as refused:
            if refused.refusal != refusals.STORE_DOWN:
                self.counters[Count.LOGINS_FAILED] += 1
            raise

    async def change_password(
        self,
        user_id: int,
        old: str,
        new: str,
        *,
        address: str,
        keep: str = "",
        except_session: str = "",
    ) -> None:
        """Replace the password ``old`` by ``new``; all other tokens and sessions of the user end.

        :param address: where the client is.
        :param keep: the token that stays valid, if any.
        :param except_session: the tag of the session that goes on.
        """
        with Attempt("Password change", user_id, address).logged():
            try:
                account = await self._change_password(user_id, old, new, address, except_session)
            except StoreUnavailable:
                raise Refused(refusals.STORE_DOWN) from None
        if keep:
            account.generation += 1
            try:
                await self.tokens.keep(account, keep)
            except StoreUnavailable:
                # The new password is set all the same, and the next login needs it.
                _log.info("The token of {id} ended with the old password", id=user_id)

    async def _in_turn(
        self, attempt: Attempt, work: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> T:
        async def serve() -> T:
            with attempt.logged():
                return await work()

        return await self._queue.wait(serve, lambda: attempt.ended("gone before its turn"))

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
                account = await self.tokens.check(account, token)
            else:
                account = await self._check_password(account, password, address)
                await self._rehash(account, password)
            if account.banned is not None:
                # Only now: who does not know the password is not told of the ban.
                raise Refused(refusals.banned(account.banned.until, account.banned.reason))
            await self._throttle.succeeded(user_id, address)
            new_token = await self.tokens.new(account, token) if wants_token else ""
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
            # Another change of the password came first.
            raise Refused(refusals.WRONG_PASSWORD)
        return account

    async def _check_password(
        self, account: Account | None, password: str, address: str
    ) -> Account:
        """The account, if ``password`` is right."""

        async def is_right() -> bool:
            if account is None:
                return False
            if account.legacy:
                return same_text(account.password, password)
            return await self._passwords.verify(account.password, password)

        right = await self._throttle.attempt(account.user_id if account else 0, address, is_right)
        if account is None:
            raise Refused(refusals.NO_SUCH_USER)
        if not right:
            raise Refused(refusals.WRONG_PASSWORD)
        return account

    async def _rehash(self, account: Account, password: str) -> None:
        if account.legacy or self._passwords.is_outdated(account.password):
            hashed = await self._passwords.hash(password)
            # It returns False if another login has done it meanwhile.
            await self._store.replace_password(account, hashed, void_tokens=False)


#: The statuses that an account can have in the store.
_LASTING = (Status.ONLINE, Status.BUSY)
