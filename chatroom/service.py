"""twistd's wiring: settings in, one service out, and a start that either works or says why not."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.accounts.passwords import HashThreads, Passwords
from chatroom.accounts.registration import Registration
from chatroom.common.clock import keep_time, pause
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.config.options import Settings, endpoints
from chatroom.config.redis_address import RedisAddress
from chatroom.limits.connections import ConnectionLimit
from chatroom.limits.file_descriptors import most_connections, raise_limit
from chatroom.limits.rate import RateLimits
from chatroom.node.node import Node
from chatroom.ops.diagnostics import Diagnostics
from chatroom.ops.launch import HangUp, Launch, end_in_order
from chatroom.ops.listening import Ports
from chatroom.ops.preflight import check_endpoints, check_redis, check_user
from chatroom.ops.store_start import StoreStart
from chatroom.ops.twistd_options import Options
from chatroom.store.interface import Store
from chatroom.store.redis.store import RedisStore
from chatroom.store.valkey.supervisor import PrivateStore
from chatroom.transports.tcp import ChatFactory
from chatroom.transports.web.addressing import Hosts, Proxies
from chatroom.transports.web.files import read_files

if TYPE_CHECKING:
    from chatroom.transports.web.site import Site

__all__ = ["Options", "makeService", "make_service"]

#: New containers after which Python looks for cycles among them; its own choice is 700. What a
#: message takes is freed without that, but the hundred that are under way at any time set it off
#: again and again, and then all sessions are gone through: a tenth of the CPU of a busy server.
CYCLES_AFTER = 50_000
#: Seconds that the sessions have to take what is left for them when the server stops.
GOODBYE = 1.0

_log = Logger()


class ChatService(Service):
    """The server: starts from the store up to the port, and stops the other way round."""

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        folder: DataFolder,
        private: PrivateStore | None,
        address: RedisAddress,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._folder = folder
        self._private = private
        self._starting: Deferred[None] | None = None
        self._launch = Launch()
        #: Why the server can't start, for the process that waits for a daemon to be ready.
        self._why_not = "stopped before it was ready"
        self._hang_up = HangUp(reactor)
        self._ports = Ports(reactor, settings, folder)
        name = settings.node or folder.node_name()
        self._store = RedisStore(
            reactor,
            address,
            node=name,
            timeout=settings.store_timeout,
            room_history=settings.room_history,
            mailbox_unread=settings.mailbox_unread,
            mailbox_history=settings.mailbox_history,
        )
        if private is not None:
            private.on_room = self._store.has_room
        self._store_start = StoreStart(reactor, self._store, address, private, settings)
        self._threads = HashThreads(reactor, settings.hash_threads)
        accounts = _accounts(self._store, self._threads, settings)
        self.node = _node(reactor, self._store, accounts, settings, name)
        self._diagnostics = Diagnostics(reactor, self.node)
        #: What takes the connections at the endpoints of each option.
        self._factories: dict[str, Any] = {
            "--listen": ChatFactory(
                self.node, max_frame=settings.max_frame, send_queue=settings.send_queue
            )
        }
        if settings.web:
            # Before twistd changes to another user, who might not read what it loads.
            self._factories["--web"] = self._make_site()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        gc.set_threshold(CYCLES_AFTER)
        self._launch.bound_log()
        self._hang_up.start()
        self._threads.start()
        self._diagnostics.start()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        await self._store_start.start(self.node)
        await self._ports.open(self._factories)
        _log.info("Ready: clients may connect")
        self._launch.succeeded()

    def _make_site(self) -> Site:
        # Not for those who have no page: it takes a sixth of the time that all else takes to load.
        from chatroom.transports.web.site import Site

        return Site(
            self._reactor,
            self.node,
            read_files(),
            Proxies(self._settings.trusted_proxy),
            Hosts(self._settings.web_host),
            max_frame=self._settings.max_frame,
            send_queue=self._settings.send_queue,
        )

    def _start_failed(self, failure: Any) -> None:
        if not self.running:
            return
        self._why_not = failure.getErrorMessage()
        if failure.check(StartError, CannotListenError, OSError) is not None:
            _log.critical("The server can't start: {why}", why=failure.getErrorMessage())
        else:
            _log.failure("The server can't start", failure)
        self._reactor.callLater(0, end_in_order)

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        await self._ports.close()
        if self.node.rooms:
            await self.node.stop()
            await self._goodbye()
        await self._store.stop()
        self._threads.stop()
        self._diagnostics.stop()
        if self._private is not None:
            await self._private.stopService()
        self._hang_up.stop()
        self._folder.close()
        self._launch.failed(self._why_not)

    async def _goodbye(self) -> None:
        """Give what was sent last the time to leave."""
        until = self._reactor.seconds() + GOODBYE
        while self.node.sessions.connections and self._reactor.seconds() < until:
            await pause(self._reactor, 0.02)


def _node(reactor: Any, store: Store, accounts: Accounts, settings: Settings, name: str) -> Node:
    most = settings.max_connections
    return Node(
        reactor,
        store,
        accounts,
        name=name,
        login_timeout=settings.login_timeout,
        rate_limits=RateLimits(
            message_burst=settings.message_burst,
            message_rate=settings.message_rate,
            byte_rate=settings.byte_rate,
            max_frame=settings.max_frame,
        ),
        connection_limit=ConnectionLimit(
            reactor,
            per_address=settings.max_per_address,
            most=most_connections() if most is None else most,
        ),
    )


def _accounts(store: Store, threads: HashThreads, settings: Settings) -> Accounts:
    passwords = Passwords(
        threads,
        time_cost=settings.argon2.time_cost,
        memory_kib=settings.argon2.memory_kib,
        parallelism=settings.argon2.parallelism,
    )
    throttle = LoginThrottle(store, failures=settings.login_failures, at_once=settings.hash_threads)
    return Accounts(
        store,
        passwords,
        policy=PasswordPolicy(
            settings.min_password_length,
            strict=settings.password_policy == "strict",  # noqa: S105 - the name of a policy
        ),
        throttle=throttle,
        registration=Registration(
            store,
            throttle,
            closed=settings.registration.closed,
            invite=settings.registration.invite,
            rate=settings.registration_rate,
        ),
        max_logins=settings.max_logins,
    )


def make_service(settings: Settings, owner: tuple[int, int] | None = None) -> IService:
    """The server as a service, once everything that can be checked before it runs was.

    :param owner: user and group that twistd will change to.
    :raises StartError: it can't work; the text is what the person who starts it is to see.
    """
    # Not before: twistd chooses the reactor first.
    from twisted.internet import reactor

    keep_time(reactor)
    raise_limit()
    folder = DataFolder(settings.data, owner)
    try:
        private, address = _check(reactor, settings, folder, owner)
    except KeyboardInterrupt:
        # Connecting to a store can take a while, and twistd does not yet take Ctrl-C for an end.
        raise StartError("interrupted") from None
    service = MultiService()
    chat: Any = ChatService(reactor, settings, folder, private, address)
    chat.setServiceParent(service)
    return cast("IService", service)


def _check(
    reactor: Any, settings: Settings, folder: DataFolder, owner: tuple[int, int] | None
) -> tuple[PrivateStore | None, RedisAddress]:
    """Do all that can fail before the reactor runs; gives the store."""
    check_endpoints(endpoints(settings))
    folder.open()
    if owner is not None and os.geteuid() == 0:
        check_user(owner, folder.path)
    if settings.redis is not None:
        check_redis(settings.redis, settings.store_timeout)
        return None, settings.redis
    private = PrivateStore(reactor, folder, settings.fsync)
    private.check()
    return private, private.address


def makeService(options: Options) -> IService:  # twistd's name
    """What the plugin calls."""
    try:
        return make_service(options.settings(), options.owner())
    except StartError as error:
        sys.exit(f"chatroom: {error}")
