"""twistd's wiring: settings in, one service out, and a start that either works or says why not."""

from __future__ import annotations

import datetime as dt
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
from chatroom.common.addresses import is_loopback
from chatroom.common.clock import keep_time, pause
from chatroom.config.data_folder import DataFolder
from chatroom.config.redis_address import RedisAddress
from chatroom.config.settings import Settings, StartError
from chatroom.limits.connections import ConnectionLimit
from chatroom.limits.file_descriptors import Accepting, most_connections, raise_limit
from chatroom.limits.rate import RateLimits
from chatroom.node.node import Node
from chatroom.ops.diagnostics import Internals
from chatroom.ops.launch import HangUp, Launch, end_in_order
from chatroom.ops.preflight import check_endpoints, check_redis, check_user
from chatroom.ops.twistd_options import Options
from chatroom.store.interface import Store, StoreUnavailable
from chatroom.store.redis.connection import StoreRefused
from chatroom.store.redis.identity import StoreEmpty
from chatroom.store.redis.store import RedisStore
from chatroom.store.valkey.supervisor import STORE_ID, PrivateStore
from chatroom.transports.certificate import own_certificate
from chatroom.transports.listeners import ADVICE, Listening, in_clear, listening_endpoint
from chatroom.transports.tcp import ChatFactory
from chatroom.transports.web.files import read_files
from chatroom.transports.web.hosts import ADVICE as NAMES_ADVICE
from chatroom.transports.web.hosts import Hosts
from chatroom.transports.web.proxy import Proxies

if TYPE_CHECKING:
    from chatroom.transports.web.site import Site

__all__ = ["Options", "makeService", "make_service"]

#: Seconds between two lines that say that the store is still being reached for.
PATIENCE = 5
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
        self._address = address
        self._ports: list[Any] = []
        self._starting: Deferred[None] | None = None
        self._launch = Launch()
        #: Why the server can't start, for the process that waits for a daemon to be ready.
        self._why_not = "stopped before it was ready"
        self._hang_up = HangUp(reactor)
        self._certificate = (
            own_certificate(folder, dt.datetime.now(dt.UTC)) if settings.tls_self_signed else None
        )
        # Here, where twistd has not yet changed to another user, who might not read their keys.
        self._endpoints = [
            (text, listening_endpoint(reactor, text, self._certificate)) for text in settings.listen
        ]
        # A browser trusts no certificate that signed itself: here TLS is an ssl: endpoint's affair,
        # or a proxy's.
        self._web_endpoints = [
            (text, listening_endpoint(reactor, text, None)) for text in settings.web
        ]
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
        self._threads = HashThreads(reactor, settings.hash_threads)
        passwords = Passwords(
            self._threads,
            time_cost=settings.argon2.time_cost,
            memory_kib=settings.argon2.memory_kib,
            parallelism=settings.argon2.parallelism,
        )
        most = settings.max_connections
        self.node = Node(
            reactor,
            self._store,
            _accounts(self._store, passwords, settings),
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
        self._accepting = Accepting(reactor)
        self._internals = Internals(reactor, self.node)
        # Here as well: what it loads and reads, another user might not read.
        self._site = self._make_site() if settings.web else None

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        gc.set_threshold(CYCLES_AFTER)
        self._launch.bound_log()
        self._hang_up.start()
        self._threads.start()
        self._internals.start()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._start_failed)

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        if self._private is not None:
            self._private.startService()
            await self._private.when_ready()
        await self._reach_store()
        factory = ChatFactory(
            self.node, max_frame=self._settings.max_frame, send_queue=self._settings.send_queue
        )
        clear = [await self._listen(text, endpoint, factory) for text, endpoint in self._endpoints]
        if self._site is not None:
            clear += [await self._listen(*one, self._site) for one in self._web_endpoints]
            self._advise_on_names(self._ports[len(self._endpoints) :])
        if any(clear):
            _log.warn("{advice}", advice=ADVICE)
        if self._certificate is not None:
            _log.info("{certificate}", certificate=self._certificate)
        _log.info("Ready: clients may connect")
        self._launch.succeeded()

    async def _listen(self, text: str, endpoint: Listening, factory: Any) -> bool:
        """Take connections; gives whether they can be read on their way."""
        port = await endpoint.listen(factory)
        self._ports.append(port)
        self._accepting.watch(port)
        where = _where(port)
        if factory is self._site:
            _log.info("The page is at {url} ({endpoint})", url=_url(text, where), endpoint=text)
            return in_clear(text, None, port)
        _log.info("Listening on {where} ({endpoint})", where=where, endpoint=text)
        return in_clear(text, self._certificate, port)

    def _advise_on_names(self, web_ports: list[Any]) -> None:
        settings = self._settings
        hosts = [str(getattr(port.getHost(), "host", "")) for port in web_ports]
        if not settings.web_host and (settings.trusted_proxy or not all(map(is_loopback, hosts))):
            _log.warn("{advice}", advice=NAMES_ADVICE)

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

    async def _reach_store(self) -> None:
        where = "its private store" if self._private is not None else str(self._address)
        _log.info("Reaching for {where}", where=where)
        waiting = self._reactor.callLater(PATIENCE, self._still_reaching)
        self._waiting = waiting
        try:
            for line in await self._look_at_store():
                _log.warn("{line}", line=line)
        except StoreUnavailable as error:
            raise StartError(f"the store at {self._address} can't be used: {error}") from None
        finally:
            if self._waiting.active():
                self._waiting.cancel()
        _log.info("Everything is kept in {where}", where=self._kept_where())

    async def _look_at_store(self) -> list[str]:
        """Start the node on it, as often as it takes: it may be lost again meanwhile.

        :returns: what breaks a promise of ours, one line each.
        :raises StoreRefused: it answers, and can't be used.
        :raises StoreUnavailable: we were stopped.
        """
        started = False
        while True:
            await self._store.connect()
            try:
                if not started:
                    if self._private is not None:
                        await self._recognise(self._private)
                    await self.node.start()
                    started = True
                return await self._store.advice() if self._private is None else []
            except StoreRefused:
                raise
            except StoreUnavailable as error:
                _log.warn("Looking at the store again, which was lost: {error}", error=error)

    async def _recognise(self, private: PrivateStore) -> None:
        try:
            private.remember_id(await self._store.identify(private.known_id))
        except StoreEmpty as error:
            raise StartError(
                f"the private store in {self._settings.data} came up empty: {error}; put back a "
                "backup of it, or, to begin with nothing, remove "
                f"{self._settings.data / STORE_ID}"
            ) from None

    def _kept_where(self) -> str:
        folder = self._settings.data
        if self._private is not None:
            return f"{folder} ({self._private.version}, fsync {self._settings.fsync})"
        return f"the Redis at {self._address} (this node's name: {self.node.name}, in {folder})"

    def _still_reaching(self) -> None:
        _log.info("Still reaching for the store: {why}", why=self._store.why_not)
        self._waiting = self._reactor.callLater(PATIENCE, self._still_reaching)

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
        self._accepting.stop()
        for port in self._ports:
            await port.stopListening()
        if self.node.rooms:
            await self.node.stop()
            await self._goodbye()
        await self._store.stop()
        self._threads.stop()
        self._internals.stop()
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


def _accounts(store: Store, passwords: Passwords, settings: Settings) -> Accounts:
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


def _where(port: Any) -> str:
    host = port.getHost()
    if hasattr(host, "port"):
        return f"{host.host}:{host.port}"
    name = getattr(host, "name", None)
    return str(host) if name is None else os.fsdecode(name)


def _url(endpoint: str, where: str) -> str:
    """What to give a browser."""
    if ":" not in where:
        return where
    host, _, port = where.rpartition(":")
    # Every interface has this name at least.
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    scheme = "https" if endpoint.startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


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
        # Reaching for a store can take a while, and twistd does not yet take Ctrl-C for an end.
        raise StartError("interrupted") from None
    service = MultiService()
    chat: Any = ChatService(reactor, settings, folder, private, address)
    chat.setServiceParent(service)
    return cast("IService", service)


def _check(
    reactor: Any, settings: Settings, folder: DataFolder, owner: tuple[int, int] | None
) -> tuple[PrivateStore | None, RedisAddress]:
    """Do all that can fail before the reactor runs; gives the store."""
    check_endpoints(settings.listen, settings.web)
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
