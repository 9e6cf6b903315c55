"""Who tries passwords: how many wrong ones are taken, from an address and at an account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import DeferredSemaphore

from chatroom.common import addresses
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store

#: Seconds that a failure counts, from the first one that counts on.
WINDOW = 600
#: Failures at an account, from wherever they come, before strangers' tries have to wait.
AT_ACCOUNT = 100
#: Addresses of an account from which its right password works whatever others do, and the seconds
#: that one is known after the last login from there.
KNOWN_ADDRESSES = 20
KNOWN_FOR = 90 * 86400


class LoginThrottle:
    """Lets a secret be tried, counts what was wrong, and makes who is wrong too often wait.

    After ``failures`` wrong ones from an address, or `AT_ACCOUNT` at one account, further tries are
    refused without being looked at until the window is over. The window begins with the first
    failure, so that around its end an address may have nearly twice as many in as much time.

    Nobody can lock a user out by that from where this user has logged in before: there only the
    failures of just this account from just that address count, and `AT_ACCOUNT` of them. The price:
    who shares such an address (a household, a school, a proxy) has ten times the guesses there, and
    can lock its users out of this account, from that address alone.

    What is counted lies in the store, so it holds on every node and over a restart. No more tries
    are looked at together than ``at_once``, each counted before the next begins: that is how many
    too many a node can let through when many come together.

    :param failures: from one address; 0: nothing is counted, and nobody has to wait.
    """

    def __init__(self, store: Store, *, failures: int = 10, at_once: int = 2) -> None:
        self._store = store
        self._failures = failures
        self._turns = DeferredSemaphore(at_once)

    async def attempt(
        self, user_id: int, address: str, is_right: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Whether ``is_right`` says so; it is not asked where one has to wait.

        :param user_id: whose password it is; 0: nobody's, so it counts for the address alone.
        :raises Refused: too many were wrong; it says for how long to wait.
        :raises StoreUnavailable:
        """
        await self._turns.acquire()
        try:
            await self._check(user_id, address)
            right = await is_right()
            if not right and self._failures:
                group = addresses.group(address)
                await self._store.count_failure(user_id, group, window=WINDOW)
        finally:
            self._turns.release()
        return right

    async def _check(self, user_id: int, address: str) -> None:
        if not self._failures:
            return
        wait = await self._store.guess_wait(
            user_id,
            addresses.group(address),
            by_address=self._failures,
            at_account=AT_ACCOUNT,
        )
        if wait:
            raise Refused(refusals.too_many_tries(wait))

    async def succeeded(self, user_id: int, address: str) -> None:
        """The user has logged in from there.

        :raises StoreUnavailable:
        """
        if self._failures:
            await self._store.remember_address(
                user_id, addresses.group(address), most=KNOWN_ADDRESSES, lifetime=KNOWN_FOR
            )
