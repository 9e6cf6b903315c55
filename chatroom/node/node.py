"""What all sessions of this process share: the store, rooms, limits, presence and moderation."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.accounts.accounts import Accounts
from chatroom.common.clock import Clock, pause
from chatroom.common.counters import Count
from chatroom.conversations.room import Room
from chatroom.limits.backpressure import Backpressure
from chatroom.limits.connections import ConnectionLimit
from chatroom.limits.rate import RateLimits
from chatroom.moderation.enforcement import Moderation
from chatroom.node.bus_events import BusEvents
from chatroom.node.housekeeping import Housekeeping
from chatroom.node.sessions import Session, Sessions
from chatroom.presence.presence import Presence
from chatroom.protocol import refusals
from chatroom.protocol.messages import LOBBY
from chatroom.protocol.refusals import Refused
from chatroom.store.interface import Store
from chatroom.store.records import StoreUnavailable

#: Seconds that what is in hand when the node stops may take.
FLUSH_TIMEOUT = 1.0
#: Seconds that a client has to log in.
LOGIN_TIMEOUT = 30

_log = Logger()


class Node:
    """What all sessions of this process share.

    :param name: the node's name in the store.
    :param login_timeout: seconds that a client has to log in; 0: no limit.
    :param rate_limits: how fast clients may send; no limit if left out.
    :param connection_limit: how many may be connected; no limit if left out.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        *,
        name: str,
        login_timeout: float = LOGIN_TIMEOUT,
        rate_limits: RateLimits | None = None,
        connection_limit: ConnectionLimit | None = None,
    ) -> None:
        self.clock = clock
        self.store = store
        self.accounts = accounts
        self.name = name
        self.login_timeout = login_timeout
        self.rate_limits = rate_limits or RateLimits()
        self.connection_limit = connection_limit or ConnectionLimit(clock)
        #: What was refused since the start, logins included.
        self.counters = accounts.counters
        self.rooms: dict[str, Room] = {}
        self.sessions = sessions = Sessions()
        self.presence = Presence(
            clock, store, name=name, here=sessions.users, tell=sessions.tell_presence
        )
        self.backpressure = Backpressure(clock, sessions.__len__)
        self._moderation = Moderation(clock, store, sessions.all, sessions.of)
        self.bus_events = BusEvents(self.rooms, sessions, self._moderation, self.presence)
        self._housekeeping = Housekeeping(clock, store, sessions, self.rate_limits, self.counters)

    async def start(self) -> None:
        """Follow the bus. Sessions may come from then on.

        :raises StoreUnavailable: then it may be called again.
        """
        if not self.rooms:
            for name, position in (await self.store.start(self.bus_events, [LOBBY])).items():
                self.rooms[name] = Room(name, position)
        await self._moderation.start()
        self._housekeeping.start()

    async def stop(self) -> None:
        """Let what is in hand be answered, tell the sessions, and leave the store."""
        for session in self.sessions.all():
            session.hold()
        try:
            flushing = Deferred.fromCoroutine(self.store.flush())
            await flushing.addTimeout(FLUSH_TIMEOUT, cast("Any", self.clock))
        except defer.TimeoutError:
            _log.warn("The store did not answer: what is not acknowledged will be sent again")
        self._housekeeping.stop()
        self._moderation.stop()
        # What was stored comes back with the stream in a moment, and with it the answers.
        await pause(self.clock, 0.1)
        for session in self.sessions.all():
            session.dismiss(refusals.SHUTTING_DOWN)

    # ---- connections

    def admit(self, address: str) -> bool:
        """Whether one more connection may come in; if so, call `ConnectionLimit.leave` later.

        :param address: `chatroom.limits.connections.LOCAL` for a Unix socket's.
        """
        if self.connection_limit.admit(address):
            return True
        self.counters[Count.CONNECTIONS_REFUSED] += 1
        return False

    def check_address(self, address: str) -> None:
        """:raises Refused: the address is banned; it says until when, and why."""
        refusal = self._moderation.refusal(address)
        if refusal is not None:
            raise Refused(refusal)

    # ---- sessions

    def opened(self, session: Session) -> None:
        """A session begins."""
        self.sessions.opened(session)
        refusal = self._moderation.refusal(session.address)
        if refusal is not None:
            # In the next turn, before anything is read from it: the session is still being made.
            self.clock.callLater(0, session.dismiss, refusal, come_back=False)

    def ended(self, session: Session) -> None:
        """A session ended; its connection may still be there."""
        self.sessions.ended(session)
        self.backpressure.caught_up(session)
        self.logged_out(session)

    async def log_in(self, session: Session) -> None:
        """Make the session's user online, on all nodes.

        From its first line on the session gets what comes to its user's mailbox.

        :raises StoreUnavailable: then `logged_out` is to be called.
        """
        assert session.account is not None, "set when the login was checked"
        self.sessions.identified(session)
        await self.presence.arrive(session.account)
        if session.closed:
            raise StoreUnavailable("the session is gone")

    def logged_out(self, session: Session) -> None:
        """The session's user is no longer online by this session."""
        if self.sessions.logged_out(session):
            self.rate_limits.left(session.user_id)
            self.presence.depart(session.user_id)
