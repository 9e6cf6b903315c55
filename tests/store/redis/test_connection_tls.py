"""``rediss://``: the server's certificate is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor, ssl
from twisted.internet.protocol import Factory, Protocol

from chatroom.config.redis_address import RedisAddress
from tests.certificates import Issued
from tests.doubles.proxy import Proxy
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import until
from tests.store.redis.connecting import Connect, why

pytestmark = [
    pytest.mark.usefixtures("logged"),
    # Twisted hands pyOpenSSL its own kind of certificate.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]


Serve = Callable[..., RedisAddress]


@pytest.fixture
def serve(valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Puts TLS before Valkey, with a certificate for a host; trusted or not."""
    proxy = Proxy(reactor, valkey.socket)
    ports: list[Any] = []
    listening: Any = reactor

    def serve(host: str, *, trusted: bool) -> RedisAddress:
        authority = Issued.make()
        trust = tmp_path / "trusted.pem"
        trust.write_bytes((authority if trusted else Issued.make()).certificate_pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(trust))
        context = ssl.PrivateCertificate.loadPEM(Issued.make(host, by=authority).pem).options()
        ports.append(listening.listenSSL(0, proxy.factory, context, interface="127.0.0.1"))
        return RedisAddress(host="localhost", port=ports[0].getHost().port, tls=True)

    yield serve
    proxy.stop()
    for port in ports:
        blockon(port.stopListening())


@ensureDeferred
async def test_a_trusted_certificate_lets_commands_through(serve: Serve, connect: Connect) -> None:
    connection = connect(serve("localhost", trusted=True))
    await connection.when_ready()
    assert await connection.call("INCR", "n") == 1


@ensureDeferred
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Serve, connect: Connect
) -> None:
    connection = connect(serve("localhost", trusted=False))
    await until(lambda: "certificate verify failed" in connection.why_not)
    assert (await why(connection)).startswith("TLS: ")


@ensureDeferred
async def test_a_certificate_for_another_host_is_refused(serve: Serve, connect: Connect) -> None:
    connection = connect(serve("elsewhere.example", trusted=True))
    await until(lambda: "localhost" in connection.why_not)
    assert not connection.ready


@ensureDeferred
async def test_a_server_that_never_finishes_the_handshake_is_given_up(connect: Connect) -> None:
    listening: Any = reactor
    taken: list[Protocol] = []

    def take() -> Protocol:
        taken.append(Protocol())
        return taken[-1]

    port = listening.listenTCP(0, Factory.forProtocol(take), interface="127.0.0.1")
    address = RedisAddress(host="localhost", port=port.getHost().port, tls=True)
    connection = connect(address, timeout=0.2)
    await until(lambda: "no answer" in connection.why_not)
    await until(lambda: len(taken) == 2)
    await port.stopListening()


@ensureDeferred
async def test_a_server_without_tls_is_refused(valkey: Valkey, connect: Connect) -> None:
    proxy = Proxy(reactor, valkey.socket)
    listening: Any = reactor
    port = listening.listenTCP(0, proxy.factory, interface="127.0.0.1")
    address = RedisAddress(host="localhost", port=port.getHost().port, tls=True)
    connection = connect(address, timeout=0.2)
    await until(lambda: "yet" not in connection.why_not)
    assert await why(connection)
    await port.stopListening()
