"""The store on Redis or Valkey: two connections, and the five parts that use them."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.common.waiting import within
from chatroom.config.redis_address import RedisAddress
from chatroom.protocol.messages import LOBBY, Seq
from chatroom.store.events import BusListener
from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.accounts import AccountTable
from chatroom.store.redis.bus import BLOCK, Bus
from chatroom.store.redis.connection import Connection
from chatroom.store.redis.conversations import Conversations
from chatroom.store.redis.durability_check import advice
from chatroom.store.redis.moderation import ModerationTable
from chatroom.store.redis.nodes import NodeTable

#: Seconds that each of stopping's two steps may take before what is in hand is given up.
STOP_TIMEOUT = 0.5

_ID_KEY = "chatroom:store"

_log = Logger()


class StoreEmpty(StoreUnavailable):
    """The store is empty, though it held data before."""


class RedisStore(AccountTable, Conversations, ModerationTable, NodeTable):
    """A `chatroom.store.interface.Store` on one Redis that all nodes share.

    :param timeout: seconds a reply may take.
    :param node: this node's name, the same after a restart.
    """

    def __init__(
        self,
        reactor: Any,
        address: RedisAddress,
        *,
        node: str,
        timeout: float = 4,
        room_history: int = 100_000,
        mailbox_unread: int = 10_000,
        mailbox_history: int = 10_000,
    ) -> None:
        commands = Connection(
            reactor,
            address,
            timeout=timeout,
            on_ready=lambda: self._bus.reconnected(),
            on_lost=lambda: self._lost_one(self._blocking),
        )
        blocking = Connection(
            reactor,
            address,
            timeout=BLOCK + timeout,
            on_lost=lambda: self._lost_one(commands),
        )
        deleted: set[int] = set()
        AccountTable.__init__(self, commands)
        ModerationTable.__init__(self, commands, rooms=[LOBBY])
        NodeTable.__init__(self, commands, node=node)
        Conversations.__init__(
            self,
            reactor,
            commands,
            room_history=room_history,
            mailbox_unread=mailbox_unread,
            mailbox_history=mailbox_history,
            deleted=deleted,
        )
        self._reactor = reactor
        self._timeout = timeout
        self._blocking = blocking
        self._bus = Bus(
            reactor,
            commands,
            blocking,
            node=node,
            run=token_hex(8),
            deleted=deleted,
            rooms_stored=self.rooms_stored,
        )

    @property
    def why_not(self) -> str:
        """Why the store is not reached, as one line."""
        return self._commands.why_not

    def connect(self) -> Deferred[None]:
        """Begin to connect, if that was not begun before; fires when the store answers."""
        self._commands.start()
        self._blocking.start()
        return self._commands.when_ready()

    async def advice(self) -> list[str]:
        """What about this Redis breaks a promise of ours, one line each.

        :raises StoreUnavailable: it can't be used at all, or is out of reach.
        """
        return await advice(self._commands)

    async def identify(self, known: str) -> str:
        """The store's own id, which it is given now if it has none: one from before there were ids.

        A private store's is kept in its folder as well, which tells whether it is the same one.

        :param known: the id of the store that was here before; empty: none was.
        :raises StoreEmpty: there was one, and this one holds nothing at all.
        :raises StoreUnavailable: as `Connection.call`.
        """
        found: bytes | None = await self._commands.call("GET", _ID_KEY)
        if found is not None:
            return found.decode()
        if known and not int(await self._commands.call("DBSIZE")):
            raise StoreEmpty("it holds nothing, though there was something in it before")
        own = known or token_hex(16)
        await self._commands.call("SET", _ID_KEY, own)
        await self._commands.confirm()
        return own

    def has_room(self, room: bool) -> None:
        """Whether new messages and accounts are taken: not while its disk is nearly full."""
        self._commands.no_room = "" if room else "its disk is nearly full"

    async def start(self, listener: BusListener, rooms: Sequence[str]) -> dict[str, Seq]:
        await self.connect()
        return await self._bus.follow(listener, rooms)

    async def set_status(self, user_id: int, status: int) -> None:
        place: bytes | None = await self._commands.write("set_status", user_id, status)
        if place is not None:
            # A user who asks next who is online is to find what was set.
            late = StoreUnavailable(f"the status was not told within {self._timeout:g} s")
            await within(
                self._bus.presence_told(Seq.parse(place.decode())),
                *(self._timeout, self._reactor, late),
            )

    def _lost_one(self, other: Connection) -> None:
        # Both are to lead to one and the same server. Behind the address there may be another one
        # now, to which only new connections lead, while the former still answers.
        self._bus.out_of_step()
        other.drop("the other connection to it was lost", quiet=True)

    async def stop(self) -> None:
        for step in (self.flush, self._bus.leave):
            try:
                await Deferred.fromCoroutine(step()).addTimeout(STOP_TIMEOUT, self._reactor)
            except StoreUnavailable as error:
                _log.warn("While stopping: {error}", error=error)
            except defer.TimeoutError:
                _log.warn("While stopping: the store did not answer")
        await self._commands.stop()
        await self._blocking.stop()
