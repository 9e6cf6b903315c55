"""Throttles password guessing per address and per account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import DeferredSemaphore

from chatroom.common import addresses
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store

#: Seconds in which failures are counted, from the first one on.
WINDOW = 600
#: Failures at one account, from all addresses together, before unknown addresses have to wait.
AT_ACCOUNT = 100
#: How many addresses are known for an account, and for how many seconds after the last login from
#: there. From a known address the right password works whatever happens at other addresses.
KNOWN_ADDRESSES = 20
KNOWN_FOR = 90 * 86400


class LoginThrottle:
    """Counts wrong passwords and invitations, and refuses further tries once there are too many.

    After ``failures`` wrong ones from an address, or `AT_ACCOUNT` at one account, further tries are
    refused unseen until the window is over. The window begins with the first failure, so around its
    end an address may have nearly twice as many in as much time.

    An attacker can't lock a user out of an address from which this user has logged in before: there
    only failures of this account from that address count, up to `AT_ACCOUNT`. The price: others at
    such an address (a household, a school, a proxy) have ten times the guesses there, and can lock
    the account's owner out, but only at that address.

    The counts are in the store, so they hold on every node and over a restart. Only ``at_once``
    tries are checked at the same time, each counted before the next begins; so a node can let at
    most that many too many through.

    :param failures: allowed from one address; 0: nothing is counted or refused.
    """

    def __init__(self, store: Store, *, failures: int = 10, at_once: int = 2) -> None:
        self._store = store
        self._failures = failures
        self._turns = DeferredSemaphore(at_once)

    async def attempt(
        self, user_id: int, address: str, is_right: Callable[[], Awaitable[bool]]
    ) -> bool:
        """The result of ``is_right``, which is not called if there were too many failures.

        :param user_id: whose password it is; 0: no account's, so only the address is counted.
        :raises Refused: there were too many failures; it says how long to wait.
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
        """Remember that the user has logged in from this address.

        :raises StoreUnavailable:
        """
        if self._failures:
            await self._store.remember_address(
                user_id, addresses.group(address), most=KNOWN_ADDRESSES, lifetime=KNOWN_FOR
            )
