"""Applies bans, mutes and deletions to this node's sessions.

The bus says only that something has to be read again. So news that was missed, or came while the
store was out of reach, is made up for by reading once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.common.clock import Clock, pause
from chatroom.moderation.sanctions import AddressBans, Mute
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refusal
from chatroom.store.interface import Store
from chatroom.store.records import Account, StoreUnavailable

#: Seconds until the store is asked again when it did not answer.
RETRY = 0.5

_log = Logger()


class Moderated(Protocol):
    """What moderation needs of a session."""

    account: Account | None
    mute: Mute

    @property
    def address(self) -> str: ...

    def dismiss(self, refusal: Refusal, *, come_back: bool = True) -> None: ...


def objection(session: Moderated, account: Account | None) -> Refusal | None:
    """Why that session can't go on.

    :param account: the session's account, as the store has it now.
    """
    if account is None:
        return refusals.DELETED
    if account.banned is not None:
        return refusals.banned(account.banned.until, account.banned.reason)
    if session.account is not None and account.generation != session.account.generation:
        return refusals.PASSWORD_CHANGED
    return None


class Moderation:
    """Ends, mutes and frees this node's sessions as operators decide.

    :param everybody: all sessions, logged in or not.
    :param of: the sessions of a user.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        everybody: Callable[[], Iterable[Moderated]],
        of: Callable[[int], Iterable[Moderated]],
    ) -> None:
        self._clock = clock
        self._store = store
        self._everybody = everybody
        self._of = of
        self._bans = AddressBans()
        self._addresses_changed = False
        #: Users whose accounts have to be read again, in the order in which that was heard.
        self._changed: dict[int, None] = {}
        self._reading = False
        self._stopped = False

    async def start(self) -> None:
        """Learn which addresses are banned."""
        self._bans.replace(await self._store.banned_addresses(), self._clock.seconds())

    def stop(self) -> None:
        """Ask the store nothing more."""
        self._stopped = True

    def refusal(self, address: str) -> Refusal | None:
        """What to tell a client from that address; None: it may connect."""
        return self._bans.refusal(address, self._clock.seconds())

    def addresses_changed(self) -> None:
        """Other addresses are banned now."""
        self._addresses_changed = True
        self._read()

    def accounts_changed(self, *user_ids: int) -> None:
        """These users may have been banned, muted, deleted, or set free."""
        self._changed.update(dict.fromkeys(user_ids))
        self._read()

    def _read(self) -> None:
        if not self._reading:
            self._reading = True
            Deferred.fromCoroutine(self._catch_up()).addErrback(
                lambda failure: _log.failure("Reading bans and mutes failed", failure)
            )

    async def _catch_up(self) -> None:
        try:
            while (self._addresses_changed or self._changed) and not self._stopped:
                try:
                    await self._read_next()
                except StoreUnavailable:
                    await pause(self._clock, RETRY)
        finally:
            self._reading = False

    async def _read_next(self) -> None:
        # Taken off the list first: what changes while it is read is to be read again.
        if self._addresses_changed:
            self._addresses_changed = False
            try:
                bans = await self._store.banned_addresses()
            except StoreUnavailable:
                self._addresses_changed = True
                raise
            self._bans.replace(bans, self._clock.seconds())
            self._end_banned(len(bans))
            return
        user_id = next(iter(self._changed))
        del self._changed[user_id]
        try:
            account = await self._store.account(user_id)
        except StoreUnavailable:
            self._changed[user_id] = None
            raise
        self._judge(user_id, account)

    def _end_banned(self, networks: int) -> None:
        ended = 0
        for session in self._everybody():
            refusal = self.refusal(session.address)
            if refusal is not None:
                session.dismiss(refusal, come_back=False)
                ended += 1
        _log.info(
            "Networks that are banned now: {networks}; sessions ended by that: {ended}",
            networks=networks,
            ended=ended,
        )

    def _judge(self, user_id: int, account: Account | None) -> None:
        sessions = list(self._of(user_id))
        for session in sessions:
            refusal = objection(session, account)
            if refusal is not None:
                session.dismiss(refusal, come_back=False)
                _log.info("Operator: user {id} is sent away: {why!r}", id=user_id, why=refusal.en)
            elif account is not None:
                session.mute.follow(account.muted)
        if sessions and account is not None and account.muted is not None:
            _log.info("Operator: user {id} is muted: {why!r}", id=user_id, why=account.muted.reason)
