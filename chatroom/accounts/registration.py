"""Who may make an account here: everybody, who has the invitation, or nobody; and how many."""

from __future__ import annotations

from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.passwords import same_text
from chatroom.common import addresses
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store

#: Seconds in which so many accounts may be made from one address.
WINDOW = 3600


class Registration:
    """Admits those who want an account.

    :param closed: nobody may have one.
    :param invite: who wants one has to say this; empty: nothing.
    :param rate: how many an hour from one address, counted where the password was going to be
        hashed, be it made then or not; 0: any number. From loopback and private addresses it is any
        number always: a class, an office or a proxy sits behind one of them.
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
        """:raises Refused: the person may not have an account.

        :raises StoreUnavailable:
        """
        if self._closed:
            raise Refused(refusals.REGISTRATION_CLOSED)
        if self._invite and not await self._is_invited(invite, address):
            raise Refused(refusals.INVITATION_NEEDED)

    async def _is_invited(self, invite: str, address: str) -> bool:
        async def is_right() -> bool:
            return same_text(invite, self._invite)

        # To say none is no guess.
        return bool(invite) and await self._throttle.attempt(0, address, is_right)

    async def count(self, address: str) -> None:
        """:raises Refused: too many came from this address; it says for how long to wait.

        :raises StoreUnavailable:
        """
        if not self._rate or addresses.is_close(address):
            return
        wait = await self._store.acquire(
            f"registration:{addresses.group(address)}", most=self._rate, window=WINDOW
        )
        if wait:
            raise Refused(refusals.too_many_registrations(wait))
