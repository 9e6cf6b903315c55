"""One connection to Redis that keeps order, fails fast, times out, and comes back by itself.

The original program kept a pool, since each of its calls blocks one connection. Here one connection
carries all commands in order (a pool of txredisapi's keeps none), and a second one the blocking
reads of the bus. txredisapi brings the protocol only: its own pool queues commands with no limit
while the server is away, and gives up for good after one failed AUTH. Nor does Twisted's
`ClientService` connect: it tells why a try failed only to who asks before each, lets a connection
be whose preparation is cancelled, and has no transition for one that is lost while it is prepared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import uniform
from typing import Any

import txredisapi
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.waiting import Waiters
from chatroom.config.redis_address import RedisAddress
from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.lua import SCRIPTS

#: Seconds between two tries to connect, at most: service is to be back soon after the store is.
MAX_RETRY_DELAY = 0.5
#: What a server refuses with that is no primary (any more): who connects anew may find the one that
#: is. The second is what a blocking read gets when its server becomes a replica.
_NO_PRIMARY = ("READONLY", "UNBLOCKED", "MASTERDOWN")
#: In what INFO answers: what was answered last is in memory, but not in the append-only file.
_APPEND_FAILED = b"aof_last_write_status:err"

_log = Logger()


def primary_of(role: Any) -> str | None:
    """Where a replica's primary is, as ``host:port``; None: it is no replica.

    :param role: what Redis answers to ROLE.
    """
    if isinstance(role, list) and role[0] == b"slave":
        return f"{role[1].decode()}:{int(role[2])}"
    return None


def endpoint_for(reactor: Any, address: RedisAddress, timeout: float) -> Any:
    """The client endpoint for ``address``; with TLS the server's certificate is checked."""
    # Any, not IStreamClientEndpoint: mypy can't read what zope's classes declare to provide.
    if address.path is not None:
        return UNIXClientEndpoint(reactor, address.path, timeout=timeout)
    endpoint: Any = HostnameEndpoint(reactor, address.host, address.port, timeout=timeout)
    if address.tls:
        return wrapClientTLS(optionsForClientTLS(address.host), endpoint)
    return endpoint


class _Protocol(txredisapi.RedisProtocol):  # type: ignore[misc]  # no types
    """What our connections add to txredisapi's: they say when they are lost, and why.

    txredisapi's way to pack a command and to unpack a reply asks of each piece what it may be,
    which took a quarter of all that a message costs: here texts go out and bytes come in.
    """

    transport: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_lost: Callable[[], None] = lambda: None
        self.lost: Deferred[None] = Deferred()
        self.lost_why = ""
        #: Whether the server says if its append-only file is written.
        self.tells = True

    def connectionMade(self) -> None:
        if hasattr(self.transport, "setTcpNoDelay"):
            # Else a command waits until the answer to the one before it has come (Nagle).
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        super().connectionMade()

    def dataReceived(self, data: bytes, *rest: Any) -> None:
        try:
            super().dataReceived(data, *rest)
        except (txredisapi.RedisError, ValueError) as error:
            self.lost_why = f"the server is not a Redis: {error}"
            self.abort()

    def abort(self) -> None:
        """Drop the connection, if it is not lost yet: with TLS that could not be done twice."""
        if not self.lost.called:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        self.lost_why = self.lost_why or _why(reason)
        # First: whoever is told of a lost command and tries again must find no connection.
        self.on_lost()
        super().connectionLost(reason)
        self.lost.callback(None)

    def _build_command(self, *args: object, **_: object) -> bytes:
        pieces = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
        packed = [b"$%d\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        return b"*%d\r\n%b" % (len(packed), b"".join(packed))

    def tryConvertData(self, data: Any) -> Any:  # noqa: N802  # txredisapi's name
        return data


class Connection:
    """Commands to one Redis, in order.

    :param timeout: seconds a reply may take; then the connection is dropped, because a server that
        froze is otherwise never noticed.
    :param on_ready: called, and awaited, each time that a connection is made.
    :param on_lost: called each time that one which was made is lost.
    """

    def __init__(
        self,
        reactor: Any,
        address: RedisAddress,
        *,
        timeout: float,
        on_ready: Callable[[], Awaitable[None]] | None = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._timeout = timeout
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._protocol: Any = None
        self._waiting = Waiters()
        self._running: Deferred[None] | None = None
        self._stopped = False
        self._refusal = ""
        #: Those who wait to hear whether what was answered is written.
        self._unconfirmed = Waiters()
        #: Why nothing new is taken in, as one line; empty: it is.
        self.no_room = ""
        #: Why there is no connection, as one line.
        self.why_not = "not connected yet"

    @property
    def link(self) -> object:
        """What is the same as long as the connection is not lost; None while there is none."""
        return self._protocol

    @property
    def ready(self) -> bool:
        """Whether a command would be sent now."""
        return self._protocol is not None

    def start(self) -> None:
        """Connect, and stay connected until `stop`. May be called again."""
        if self._running is None:
            self._running = Deferred.fromCoroutine(self._stay_connected())
            self._running.addErrback(lambda failure: failure.trap(CancelledError))

    async def stop(self) -> None:
        """Disconnect for good. Commands without a reply fail."""
        self._stopped = True
        protocol, self._protocol = self._protocol, None
        self.why_not = "stopped"
        if protocol is not None:
            protocol.abort()
            self._unconfirmed.fire(StoreUnavailable(self.why_not))
        elif self._running is not None:
            self._running.cancel()
        if self._running is not None:
            await self._running
        self._waiting.fire(StoreUnavailable(self.why_not))

    def when_ready(self) -> Deferred[None]:
        """Fires as soon as a command can be sent; fails only when stopped."""
        if self._protocol is not None:
            return succeed(None)
        if self._stopped:
            return fail(StoreUnavailable(self.why_not))
        return self._waiting.wait()

    async def call(self, *command: object, quiet: bool = False) -> Any:
        """Send a command and wait for its reply.

        :param quiet: do not log it when the server refuses.
        :raises StoreUnavailable: there is no connection, it was lost or timed out before the reply
            came (the command may have been done), or the server refused (`StoreRefused`).
        """
        if self._protocol is None:
            raise StoreUnavailable(self.why_not)
        return await self._execute(self._protocol, *command, quiet=quiet)

    async def run(self, name: str, *args: object) -> Any:
        """Run the script of that name, and load it first where the server does not know it.

        :raises StoreUnavailable: as `call`.
        """
        script = SCRIPTS[name]
        try:
            return await self.call("EVALSHA", script.sha, 0, *args)
        except _UnknownScript:
            return await self.call("EVAL", script.text, 0, *args)

    async def add(self, name: str, *args: object) -> Any:
        """As `run`, for what makes the store grow.

        :raises StoreUnavailable: as `call`; or there is no room for it (`StoreRefused`).
        """
        if self.no_room:
            raise StoreRefused(self.no_room)
        return await self.run(name, *args)

    async def write(self, name: str, *args: object) -> Any:
        """As `run`, for what is then told to be done: the server's append-only file has it.

        :raises StoreUnavailable: as `call`; or it was done, but not written (`NotWritten`).
        """
        reply = await self.run(name, *args)
        await self.confirm()
        return reply

    def confirm(self) -> Deferred[None]:
        """Fires once the server says that all it has answered here up to now is in its file.

        Unless it syncs always, a Redis that can't append to its file (a full disk) answers all the
        same, keeps in memory what it could not write, and tries again: killed before that works, it
        has lost it. A server that does not say how that stands (INFO is forbidden), or that has no
        such file, is taken at its word.

        Fails with `NotWritten`; with `StoreUnavailable` where the connection is lost before.
        """
        if self._protocol is None:
            return fail(StoreUnavailable(self.why_not))
        if not self._unconfirmed:
            # It has to be asked after the answer came: only then the append was tried. Those who
            # are answered in the same turn ask together.
            self._reactor.callLater(0, self._ask_for_all)
        return self._unconfirmed.wait()

    def _ask_for_all(self) -> None:
        asking, self._unconfirmed = self._unconfirmed, Waiters()
        if asking:
            Deferred.fromCoroutine(self.ask_whether_written()).addCallbacks(
                lambda _: asking.fire(), lambda failure: asking.fire(failure.value)
            )

    async def ask_whether_written(self, link: object = None) -> None:
        """As `confirm`, for who asks alone and at once.

        :param link: the `link` by which the answer came that it is about, where that may be another
            one by now.
        :raises NotWritten: it is not, or not yet.
        :raises StoreUnavailable: the connection was lost.
        """
        protocol = self._protocol
        if protocol is None or link not in (None, protocol):
            raise StoreUnavailable(self.why_not)
        if not protocol.tells:
            return
        try:
            info = await self._execute(protocol, "INFO", "persistence", quiet=True)
        except StoreRefused:
            protocol.tells = False
            return
        if isinstance(info, bytes) and _APPEND_FAILED in info:
            raise NotWritten("it can't write its append-only file: its disk may be full")

    def drop(self, why: str, *, quiet: bool = False) -> None:
        """Lose the connection, if there is one, and make another."""
        protocol = self._protocol
        if protocol is not None:
            protocol.lost_why = why
            self._lost(protocol, quiet=quiet)
            protocol.abort()

    async def _execute(self, protocol: Any, *command: object, quiet: bool = False) -> Any:
        try:
            reply = await protocol.execute_command(*command)
        except txredisapi.ResponseError as error:
            raise self._refused(protocol, str(error), quiet) from None
        except txredisapi.TimeoutError:
            protocol.lost_why = f"no answer within {self._timeout:g} s"
            self._lost(protocol)
            raise StoreUnavailable(protocol.lost_why) from None
        except txredisapi.RedisError as error:
            raise StoreUnavailable(protocol.lost_why or str(error)) from None
        if not quiet:
            self._refusal = ""
        return reply

    def _refused(self, protocol: Any, text: str, quiet: bool) -> StoreRefused:
        if text.startswith("NOSCRIPT"):
            return _UnknownScript(text)
        if text.startswith(_NO_PRIMARY):
            # Another server has become the primary; who connects anew finds it.
            protocol.lost_why = text
            protocol.abort()
        if self._protocol is protocol and text != self._refusal and not quiet:
            self._refusal = text  # said once, not for each command that meets with it
            _log.error("The store at {address} refuses: {text}", address=self._address, text=text)
        return StoreRefused(text)

    # ---- connecting

    async def _stay_connected(self) -> None:
        endpoint = endpoint_for(self._reactor, self._address, self._timeout)
        factory: Any = Factory.forProtocol(self._build)
        factory.noisy = False
        failures = 0
        while True:
            try:
                protocol = await self._connect(endpoint, factory)
                failures = 0
                await protocol.lost
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  # endpoints have many ways to fail
                if not self._stopped:
                    self.why_not = _why(Failure(error))
                failures += 1
            if self._stopped:
                return
            delay = min(MAX_RETRY_DELAY, 0.05 * 2 ** min(failures, 5))
            # So that not all come at once; nothing secret.
            spread = uniform(0.75, 1.25)  # nosec B311 # noqa: S311
            await deferLater(self._reactor, delay * spread)

    async def _connect(self, endpoint: Any, factory: Any) -> Any:
        protocol = await endpoint.connect(factory)
        protocol.on_lost = lambda: self._lost(protocol)
        try:
            await self._greet(protocol)
            self._protocol = protocol
            if self._on_ready is not None:
                await self._on_ready()
        except BaseException:
            self._protocol = None
            protocol.abort()
            raise
        self._waiting.fire()
        return protocol

    def _build(self) -> _Protocol:
        return _Protocol(charset=None, convertNumbers=False, replyTimeout=self._timeout)

    async def _greet(self, protocol: Any) -> None:
        address = self._address
        if address.password is not None:
            user = () if address.username is None else (address.username,)
            await self._execute(protocol, "AUTH", *user, address.password)
        if address.db:
            await self._execute(protocol, "SELECT", address.db)
        # Asked even when there is nothing to say: a server that froze accepts connections, and one
        # that is still loading its data refuses commands.
        await self._execute(protocol, "PING")
        await self._check_role(protocol)

    async def _check_role(self, protocol: Any) -> None:
        try:
            role = await self._execute(protocol, "ROLE", quiet=True)
        except StoreRefused:
            return
        primary = primary_of(role)
        if primary is not None:
            raise StoreUnavailable(
                f"it is a replica of {primary}, and takes no writes: the primary is needed"
            )

    def _lost(self, protocol: Any, *, quiet: bool = False) -> None:
        if self._protocol is not protocol:
            return
        self._protocol = None
        self.why_not = protocol.lost_why
        if not quiet:
            _log.warn(
                "The connection to the store at {address} was lost: {why}",
                address=self._address,
                why=self.why_not,
            )
        self._on_lost()
        self._unconfirmed.fire(StoreUnavailable(self.why_not))


class StoreRefused(StoreUnavailable):
    """The server refused the command."""


class NotWritten(StoreRefused):
    """The last answer is in the server's memory, but could not be written to its file."""


class _UnknownScript(StoreRefused):
    """The server does not know the script (any more)."""


def _why(failure: Failure) -> str:
    """Why a connection failed or ended, as one line."""
    error = failure.value
    if isinstance(error, ConnectionDone):
        return "the store closed the connection"
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        return "TLS: " + "; ".join(str(entry[-1]) for entry in error.args[0])
    return " ".join(failure.getErrorMessage().split()) or type(error).__name__
