"""Who may register: everybody, those with the invitation, or nobody; and how many an hour."""

from __future__ import annotations

from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.passwords import same_text
from chatroom.common import addresses
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store

#: Seconds in which the registrations of one address are counted.
WINDOW = 3600


class Registration:
    """Decides whether somebody may register.

    :param closed: nobody may.
    :param invite: the invitation that is needed; empty: none.
    :param rate: how many an hour from one address, counted just before the password is hashed,
        whether the account is made then or not; 0: no limit. Loopback and private addresses have no
        limit: a class, an office or a proxy can be behind one of them.
    """

    def __init__(
        self,
        store: Store,
        throttle: LoginThrottle,
        *,
        closed: bool = False,
        invite: str = "",
        rate: int = 20,
    ) -> None:
        self._store = store
        self._throttle = throttle
        self._closed = closed
        self._invite = invite
        self._rate = rate

    async def admit(self, invite: str, address: str) -> None:
        """:raises Refused: this person may not register.

        :raises StoreUnavailable:
        """
        if self._closed:
            raise Refused(refusals.REGISTRATION_CLOSED)
        if self._invite and not await self._is_invited(invite, address):
            raise Refused(refusals.INVITATION_NEEDED)

    async def _is_invited(self, invite: str, address: str) -> bool:
        async def is_right() -> bool:
            return same_text(invite, self._invite)

        # An empty invitation does not count as a guess.
        return bool(invite) and await self._throttle.attempt(0, address, is_right)

    async def count(self, address: str) -> None:
        """:raises Refused: there were too many from this address; it says how long to wait.

        :raises StoreUnavailable:
        """
        if not self._rate or addresses.is_close(address):
            return
        wait = await self._store.acquire(
            f"registration:{addresses.group(address)}", most=self._rate, window=WINDOW
        )
        if wait:
            raise Refused(refusals.too_many_registrations(wait))
