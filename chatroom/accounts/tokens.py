"""Login tokens: made, checked and made void; the store keeps only their digests."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_urlsafe

from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store
from chatroom.store.records import Account, StoreUnavailable, Token

#: Seconds that a token is valid after its last use.
TOKEN_LIFETIME = 30 * 86400


class Tokens:
    """The tokens of all accounts. Each method may raise `StoreUnavailable`, except `forget`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def check(self, account: Account | None, token: str) -> Account:
        """The account, if that is a token of it.

        Tokens can't be guessed, so tries are not counted; nor do they tell whether an id exists.

        :raises Refused: it is not.
        """
        known = await self._store.token(_digest(token))
        if account is None or known != _token_of(account):
            raise Refused(refusals.WRONG_TOKEN)
        return account

    async def new(self, account: Account, old: str) -> str:
        """A new token of the account, in place of ``old`` if that is not empty."""
        token = token_urlsafe(32)
        await self.keep(account, token, replaces=old)
        return token

    async def keep(self, account: Account, token: str, *, replaces: str = "") -> None:
        """Let ``token`` be valid for the account's generation.

        :param replaces: a token that is void from now on, if any.
        """
        await self._store.create_token(
            _digest(token),
            _token_of(account),
            lifetime=TOKEN_LIFETIME,
            replaces=_digest(replaces) if replaces else "",
        )

    async def forget(self, token: str) -> None:
        """Make a token void.

        :raises Refused: the store is out of reach.
        """
        try:
            await self._store.delete_token(_digest(token))
        except StoreUnavailable:
            raise Refused(refusals.STORE_DOWN) from None


def _token_of(account: Account) -> Token:
    return Token(user_id=account.user_id, generation=account.generation)


def _digest(token: str) -> str:
    """What the store keeps of a token. It is random and long, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()
