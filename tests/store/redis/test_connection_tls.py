"""``rediss://``: the server's certificate is checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor, ssl
from twisted.internet.protocol import Factory, Protocol

from chatroom.config.redis_address import RedisAddress
from tests.doubles.proxy import Proxy
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import until
from tests.store.redis.connecting import Connect, why

pytestmark = [
    pytest.mark.usefixtures("logged"),
    # Twisted hands pyOpenSSL its own kind of certificate.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]


def certificate(host: str) -> tuple[bytes, bytes]:
    """A certificate that signed itself, for one host, and its key; both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


Serve = Callable[..., RedisAddress]


@pytest.fixture
def serve(valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Puts TLS before Valkey, with a certificate for a host; trusted or not."""
    proxy = Proxy(reactor, valkey.socket)
    ports: list[Any] = []
    listening: Any = reactor

    def serve(host: str, *, trusted: bool) -> RedisAddress:
        pem, key = certificate(host)
        trust = tmp_path / "trusted.pem"
        trust.write_bytes(pem if trusted else certificate(host)[0])
        monkeypatch.setenv("SSL_CERT_FILE", str(trust))
        context = ssl.PrivateCertificate.loadPEM(pem + key).options()
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
