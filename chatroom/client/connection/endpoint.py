"""Endpoints from what a person types; TLS sends nothing before the certificate is accepted."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from typing import Any, Final, cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, clientFromString
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from chatroom.client.base.errors import Doubt, NotConnected
from chatroom.client.connection.trust import Problem, Trust
from chatroom.common.fingerprint import fingerprint

#: The server's port where none is given.
DEFAULT_PORT: Final = 8889

#: ``host``, ``host:port``, ``[v6]:port``; an IPv6 address without brackets would be ambiguous.
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\s:=\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)

#: OpenSSL's codes (x509_vfy.h) for a chain that leads to no authority that the system trusts.
_UNKNOWN: Final = {
    2: "its issuer is unknown",
    18: "it is self-signed",
    19: "its chain ends in an unknown authority",
    20: "its issuer is unknown",
    21: "its issuer is unknown",
    27: "its issuer is not trusted",
}
#: The most common of the other codes.
_INVALID: Final = {7: "its signature is wrong", 9: "it is not valid yet", 10: "it has expired"}


class Endpoint(typing.Protocol):
    """`twisted.internet.interfaces.IStreamClientEndpoint`, in a shape for a type checker."""

    def connect(self, factory: Factory, /) -> Deferred[Any]: ...


def client_endpoint(reactor: Any, server: str, tls: Trust | bool = False) -> Endpoint:
    """Read ``"host"``, ``"host:port"``, ``"[v6]:port"`` or any Twisted client endpoint string.

    :param tls: which certificates to accept; True: those that the system's roots vouch for; False:
            no TLS, or as the endpoint string says.
    :raises ValueError: it is none of these; the text is one line that says why.
    """
    found = _ADDRESS.fullmatch(server.strip())
    if found is None:
        if tls:
            raise ValueError(f"{server.strip()!r}: with TLS, a server is HOST:PORT")
        return _from_string(reactor, server.strip())
    port = DEFAULT_PORT if found["port"] is None else int(found["port"])
    if not 0 < port < 65536:
        raise ValueError(f"port {port}: must be from 1 to 65535")
    host = found["v6"] or found["host"]
    endpoint = cast(Endpoint, HostnameEndpoint(reactor, host, port))
    if not tls:
        return endpoint
    name = f"[{host}]:{port}" if found["v6"] else f"{host}:{port}"
    return TlsEndpoint(reactor, endpoint, host, name, Trust() if tls is True else tls)


def _from_string(reactor: Any, description: str) -> Endpoint:
    # A plugin may raise anything for an option it can't use.
    try:
        return cast(Endpoint, clientFromString(reactor, description))
    except Exception as error:  # noqa: BLE001
        raise ValueError(
            f"{description!r} is no server: HOST:PORT, or a Twisted client endpoint such as "
            f"tls:example.org:8890 ({type(error).__name__}: {error})"
        ) from None


@implementer(IStreamClientEndpoint)
class TlsEndpoint:
    """Puts TLS on another endpoint's connections."""

    def __init__(
        self, reactor: Any, endpoint: Endpoint, host: str, server: str, trust: Trust
    ) -> None:
        """
        :param host: the name or IP address that the certificate has to be for.
        :param server: ``host:port``, by which ``trust`` knows the server.
        """
        self._reactor = reactor
        self._endpoint = endpoint
        # A zone (fe80::1%eth0) means something on this machine only.
        self._host = host.partition("%")[0]
        self._server = server
        self._trust = trust

    def connect(self, factory: Factory) -> Deferred[Any]:
        """Fires with the protocol, once the server's certificate is accepted.

        :raises Untrusted: it is not.
        :raises NotConnected: TLS failed for another reason.
        """
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: Factory) -> Any:
        chain = _Chain(self._host)
        # mypy knows too little of zope's interfaces, here and below.
        creator: Any = chain

        def check(connection: SSL.Connection) -> None:
            certificate = connection.get_peer_certificate()
            assert certificate is not None
            shown = fingerprint(certificate.to_cryptography().public_bytes(Encoding.DER))
            self._trust.check(self._server, shown, chain.problem(connection))

        handshake = _Handshake(factory, check)
        plain: Any = Factory.forProtocol(lambda: handshake)
        plain.noisy = False
        wrapped: Any = TLSMemoryBIOFactory(creator, True, plain, self._reactor)
        await self._endpoint.connect(wrapped)
        return await handshake.done


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """Takes the protocol's place until the server's certificate is accepted.

    Code that waits for `done` can't send anything before that.
    """

    transport: Any

    def __init__(self, factory: Factory, check: Callable[[SSL.Connection], None]) -> None:
        self._factory = factory
        self._check = check
        self.done: Deferred[Any] = Deferred(lambda _: self.transport.abortConnection())

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        try:
            self._check(self.transport.getHandle())
        except Exception:  # noqa: BLE001 - with any error it is not accepted
            self.transport.failVerification(Failure())
            return
        protocol: Any = self._factory.buildProtocol(self.transport.getPeer())
        self.transport.wrappedProtocol = protocol
        protocol.makeConnection(self.transport)
        if not self.done.called:
            self.done.callback(protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            error = reason.value
            if isinstance(error, SSL.Error):
                # A server that speaks no TLS, or another version of it, won't change by a retry.
                error = NotConnected(_explained(error), final=bool(error.args and error.args[0]))
            self.done.errback(error)


@implementer(IOpenSSLClientConnectionCreator)
class _Chain:
    """Sets up a handshake as Twisted does it for clients; keeps OpenSSL's errors about the chain.

    An error does not end the handshake: it says what the system's roots think, and a certificate
    accepted by its fingerprint needs no root. `_Handshake` decides, before anything is sent.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._options: Any = optionsForClientTLS(host)
        self._errors: list[int] = []
        self._checked = False

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._options.clientConnectionForTLS(protocol)
        connection.set_verify(SSL.VERIFY_PEER, self._note)
        return connection

    def _note(self, _: SSL.Connection, _leaf: X509, error: int, _depth: int, ok: int) -> bool:
        self._checked = True
        if not ok:
            self._errors.append(error)
        return True

    def problem(self, connection: SSL.Connection) -> Problem | None:
        """What is wrong with the certificate, after the handshake; None: nothing."""
        if not self._checked:
            return Problem(Doubt.INVALID, "nothing has checked it")
        for error in self._errors:
            if error not in _UNKNOWN:
                return Problem(Doubt.INVALID, _INVALID.get(error, f"OpenSSL's error {error}"))
        if self._errors:
            return Problem(Doubt.UNKNOWN, _UNKNOWN[self._errors[0]])
        return self._name_problem(connection)

    def _name_problem(self, connection: SSL.Connection) -> Problem | None:
        is_address = isIPAddress(self._host) or isIPv6Address(self._host)
        try:
            if is_address:
                verify_ip_address(connection, self._host)
            else:
                verify_hostname(connection, self._host)
        except (CertificateError, VerificationError):
            return Problem(Doubt.INVALID, f"it is not for {self._host}")
        return None


def _explained(error: SSL.Error) -> str:
    """What OpenSSL says went wrong, in one line."""
    entries = error.args[0] if error.args else ()
    return "TLS failed: " + ("; ".join(str(entry[-1]) for entry in entries) or "it was ended")
