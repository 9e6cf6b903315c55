"""Endpoints to listen on: those that speak TLS, and whether one can be overheard."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from chatroom.common.addresses import is_loopback
from chatroom.transports.certificate import Certificate

ADVICE: Final = (
    "Listening in clear on a network: passwords and messages can be read on their way. Use"
    " --tls-self-signed or an ssl: endpoint, keep it to this machine with :interface=127.0.0.1, or"
    " have something in front that speaks TLS"
)

_TCP: Final = re.compile(r"tcp6?:")


class Listening(Protocol):
    """`twisted.internet.interfaces.IStreamServerEndpoint`, in a shape for a type checker."""

    def listen(self, factory: Factory, /) -> Deferred[Any]: ...


def listening_endpoint(reactor: Any, text: str, certificate: Certificate | None) -> Listening:
    """The endpoint that ``text`` describes; a ``tcp:`` one speaks TLS if there is a certificate.

    Reads the files that an ``ssl:`` endpoint names, and so is meant for before twistd changes to
    another user.

    :param text: one that `chatroom.config.settings` has taken.
    """
    endpoint = cast("Listening", serverFromString(reactor, text))
    if certificate is None or not _TCP.match(text):
        return endpoint
    return _TlsServerEndpoint(reactor, endpoint, certificate)


@implementer(IStreamServerEndpoint)
class _TlsServerEndpoint:
    """As Twisted's ``wrapServerTLS``, which not every version that we run on has."""

    def __init__(self, reactor: Any, endpoint: Listening, certificate: Certificate) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        # zope's interfaces tell mypy too little, here and below.
        self._options: Any = certificate.options

    def listen(self, factory: Any) -> Deferred[Any]:
        wrapped: Any = TLSMemoryBIOFactory(self._options, False, factory, self._reactor)
        return self._endpoint.listen(wrapped)


def in_clear(text: str, certificate: Certificate | None, port: Any) -> bool:
    """Whether others on a network can read what goes over a port.

    False where nobody can tell: what systemd passes on, say, or a plugin's endpoint.

    :param text: what `listening_endpoint` was given, and ``certificate`` likewise.
    :param port: what listens.
    """
    if certificate is not None or not _TCP.match(text):
        return False
    return not is_loopback(port.getHost().host)
