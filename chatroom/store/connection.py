"""One connection to Redis that keeps order, fails fast, times out, and comes back by itself.

The original program kept a pool, since each of its calls blocks one connection. Here one connection
carries all commands in order (a pool of txredisapi's keeps none), and a second one the blocking
reads of the bus. txredisapi brings the protocol; connecting is Twisted's `ClientService`, because
txredisapi's own pool queues commands with no limit while the server is away and gives up for good
after one failed AUTH.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from random import random
from typing import Any

import txredisapi
from chatroom.store.address import RedisAddress
from twisted.application.internet import ClientService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorCore, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.store.interface import StoreUnavailable

#: Seconds between two tries to connect, at most: service is to be back soon after the store is.
MAX_RETRY_DELAY = 0.5

_log = Logger()


class Script:
    """One atomic step: a Lua script, with what all of them share before it."""

    def __init__(self, name: str) -> None:
        folder = resources.files("chatroom.store") / "scripts"
        text = (folder / "common.lua").read_text("utf-8") + (folder / f"{name}.lua").read_text(
            "utf-8"
        )
        self.name = name
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()


def endpoint_for(reactor: Any, address: RedisAddress) -> IStreamClientEndpoint:
    """The endpoint that reaches ``address``; with TLS the server's certificate is checked."""
    if address.path is not None:
        return UNIXClientEndpoint(reactor, address.path, timeout=5)
    endpoint = HostnameEndpoint(reactor, address.host, address.port, timeout=5)
    if address.tls:
        return wrapClientTLS(optionsForClientTLS(address.host), endpoint)
    return endpoint


class _Protocol(txredisapi.RedisProtocol):  # type: ignore[misc]  # txredisapi has no types
    """Tells the `Connection` when it is lost."""

    on_lost: Callable[[], None] | None = None

    def connectionLost(self, reason: Failure) -> None:
        if self.on_lost is not None:
            self.on_lost()
        super().connectionLost(reason)


class Connection:
    """Commands to one Redis, in order.

    :param timeout: seconds a reply may take; then the connection is dropped, because a server that
        froze is otherwise never noticed.
    :param on_ready: called, and awaited, each time the connection is usable again.
    """

    def __init__(
        self,
        reactor: IReactorCore,
        address: RedisAddress,
        *,
        timeout: float,
        on_ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._on_ready = on_ready
        self._protocol: _Protocol | None = None
        self._waiting: list[Deferred[None]] = []
        #: Why the last try to connect failed, as one line.
        self.why_not = "not connected yet"
        self._service = ClientService(
            endpoint_for(reactor, address),
            Factory.forProtocol(self._build),
            retryPolicy=lambda failures: (
                min(MAX_RETRY_DELAY, 0.05 * 2 ** min(failures, 5)) * (0.75 + random() / 2)
            ),  # jitter, not a secret
            prepareConnection=self._prepare,
            clock=reactor,
        )

    @property
    def ready(self) -> bool:
        """Whether a command would be sent now."""
        return self._protocol is not None

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._service.startService()
        self._watch_attempt()

    def _watch_attempt(self) -> None:
        """Keep note of why the try under way fails; the service itself goes on for ever."""

        def failed(failure: Failure) -> None:
            if failure.check(CancelledError) is None:
                self.why_not = _one_line(failure)
                if self._service.running:
                    self._service.whenConnected(failAfterFailures=1).addCallbacks(
                        lambda _: None, failed
                    )

        self._service.whenConnected(failAfterFailures=1).addCallbacks(lambda _: None, failed)

    def stop(self) -> Deferred[None]:
        """Disconnect. Commands without a reply fail."""
        stopped: Deferred[None] = self._service.stopService()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(StoreUnavailable("stopped"))
        return stopped

    def when_ready(self) -> Deferred[None]:
        """Fires as soon as a command can be sent; fails only when stopped."""
        deferred: Deferred[None] = Deferred(lambda d: self._waiting.remove(d))
        if self._protocol is not None:
            deferred.callback(None)
        else:
            self._waiting.append(deferred)
        return deferred

    async def call(self, *command: object) -> Any:
        """Send a command and wait for its reply.

        :raises StoreUnavailable: there is no connection, it was lost or timed out before the reply
            came (the command may have been done), or the server refused.
        """
        if self._protocol is None:
            raise StoreUnavailable(self.why_not)
        return await self._execute(self._protocol, *command)

    async def run(self, script: Script, *args: object) -> Any:
        """Run a script, and load it first where the server does not know it.

        :raises StoreUnavailable: as `call`.
        """
        try:
            return await self.call("EVALSHA", script.sha, 0, *args)
        except _UnknownScript:
            return await self.call("EVAL", script.text, 0, *args)

    @staticmethod
    async def _execute(protocol: _Protocol, *command: object) -> Any:
        try:
            return await protocol.execute_command(*command)
        except txredisapi.ResponseError as error:
            text = str(error)
            if text.startswith("NOSCRIPT"):
                raise _UnknownScript(text) from None
            _log.error("The store refused {command}: {text}", command=command[0], text=text)
            raise StoreUnavailable(text) from None
        except (txredisapi.RedisError, txredisapi.InvalidData) as error:
            raise StoreUnavailable(str(error)) from None

    def _build(self) -> _Protocol:
        protocol = _Protocol(charset=None, convertNumbers=False, replyTimeout=self._timeout)
        protocol.on_lost = self._lost
        return protocol

    async def _greet(self, protocol: _Protocol) -> None:
        address = self._address
        if address.password is not None:
            user = () if address.username is None else (address.username,)
            await self._execute(protocol, "AUTH", *user, address.password)
        if address.db:
            await self._execute(protocol, "SELECT", address.db)
        # Asked even when there is nothing to say: a server that froze accepts connections, and one
        # that is still loading its data refuses commands.
        await self._execute(protocol, "PING")

    def _prepare(self, protocol: _Protocol) -> Deferred[None]:
        return Deferred.fromCoroutine(self._prepare_connection(protocol))

    async def _prepare_connection(self, protocol: _Protocol) -> None:
        try:
            await self._greet(protocol)
            self._protocol = protocol
            if self._on_ready is not None:
                await self._on_ready()
        except StoreUnavailable as error:
            self._protocol = None
            self.why_not = str(error)
            protocol.transport.abortConnection()
            raise
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _lost(self) -> None:
        if self._protocol is not None:
            self._protocol = None
            self.why_not = "the connection was lost"
            _log.warn("The connection to the store at {address} was lost", address=self._address)


class _UnknownScript(StoreUnavailable):
    """The server does not know the script (any more)."""


def _one_line(failure: Failure) -> str:
    return failure.getErrorMessage().splitlines()[0] if failure.getErrorMessage() else "no answer"
