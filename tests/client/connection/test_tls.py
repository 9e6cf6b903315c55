"""TLS from the client's side, over real sockets: whom it believes, and what it says to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor as running
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from chatroom.client import (
    ChatClient,
    Doubt,
    KnownServers,
    NotConnected,
    State,
    Timing,
    Trust,
    Untrusted,
    client_endpoint,
    connect,
)
from chatroom.client.connection.endpoint import TlsEndpoint
from chatroom.protocol import messages as wire
from tests.certificates import Issued
from tests.client.stage import ScriptedServer, a_welcome
from tests.ports import deaf_port

# zope's interfaces tell mypy too little.
reactor: Any = running

pytestmark = [
    # Twisted hands pyOpenSSL its own kind of certificate.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]


@implementer(IOpenSSLServerConnectionCreator)
class Server:
    """Listens with a certificate, which can be changed; keeps what clients said."""

    def __init__(self) -> None:
        self.heard: list[ScriptedServer] = []
        self._context: Any = None
        factory = Factory.forProtocol(self._take)
        self._port = reactor.listenSSL(0, factory, self, interface="127.0.0.1")
        self.port = self._port.getHost().port

    def show(self, issued: Issued, newest: int = 0) -> None:
        """To connections from now on.

        :param newest: the newest version of TLS that it knows; 0: OpenSSL's newest.
        """
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.use_certificate(issued.certificate)
        self._context.use_privatekey(issued.key)
        if newest:
            # Without this OpenSSL itself would have none of the old ones.
            self._context.set_cipher_list(b"ALL:@SECLEVEL=0")
            self._context.set_max_proto_version(newest)

    def serverConnectionForTLS(self, _: object) -> SSL.Connection:  # noqa: N802 - Twisted's name
        return SSL.Connection(self._context)

    def hang_up(self) -> None:
        transport: Any = self.heard[-1].transport
        transport.loseConnection()

    def _take(self) -> ScriptedServer:
        self.heard.append(ScriptedServer())
        return self.heard[-1]

    def stop(self) -> None:
        blockon(self._port.stopListening())

    @property
    def got(self) -> list[wire.Message]:
        return [message for each in self.heard for message in each.got]

    def address(self, host: str = "localhost") -> str:
        return f"{host}:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def authority() -> Issued:
    return Issued.make()


@pytest.fixture(autouse=True)
def roots(authority: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is the only one among the system's roots."""
    file = tmp_path / "roots.pem"
    file.write_bytes(authority.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")


async def refusal(address: str, tls: Trust | bool = True) -> Untrusted:
    with pytest.raises(Untrusted) as caught:
        await connect(address, tls=tls)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


async def speaks(server: Server, tls: Trust | bool = True, host: str = "localhost") -> None:
    """A client connects, and is heard."""
    client = await connect(server.address(host), tls=tls)
    before = len(server.got)
    asked = client.register(100, "a password", "Ann")
    while len(server.got) == before:
        await _turn()
    server.heard[-1].send(wire.RegisterResMes(200, ""))
    await asked
    await client.close()


def _turn() -> Deferred[None]:
    turned: Deferred[None] = Deferred()
    reactor.callLater(0.001, turned.callback, None)
    return turned


# ---------------------------------------------------------------- what the system's roots say


@ensureDeferred
async def test_whom_the_roots_vouch_for_is_believed(server: Server, authority: Issued) -> None:
    server.show(Issued.make("localhost", by=authority))
    await speaks(server)


@ensureDeferred
async def test_an_address_can_be_vouched_for_as_well(server: Server, authority: Issued) -> None:
    server.show(Issued.make("127.0.0.1", by=authority))
    await speaks(server, host="127.0.0.1")
    assert (await refusal(server.address())).doubt is Doubt.INVALID


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@ensureDeferred
async def test_a_certificate_for_another_name_is_refused(
    server: Server, authority: Issued, host: str
) -> None:
    issued = Issued.make("elsewhere.example", by=authority)
    server.show(issued)
    error = await refusal(server.address(host))
    assert (error.doubt, error.fingerprint) == (Doubt.INVALID, issued.fingerprint)
    assert f"it is not for {host}" in str(error)
    assert server.got == []


@ensureDeferred
async def test_a_certificate_that_has_expired_is_refused(server: Server, authority: Issued) -> None:
    server.show(Issued.make("localhost", by=authority, days=-1))
    error = await refusal(server.address())
    assert (error.doubt, error.reason) == (Doubt.INVALID, "it has expired")


@pytest.mark.parametrize("signer", [None, Issued.make()], ids=["itself", "a stranger"])
@ensureDeferred
async def test_a_certificate_that_nobody_vouches_for_is_unknown_and_nothing_is_sent(
    server: Server, signer: Issued | None
) -> None:
    issued = Issued.make("localhost", by=signer)
    server.show(issued)
    client = ChatClient(client_endpoint(reactor, server.address(), tls=True))
    with pytest.raises(Untrusted) as caught:
        await client.log_in(100, "a password")
    assert caught.value.doubt is Doubt.UNKNOWN
    assert caught.value.fingerprint == issued.fingerprint
    assert caught.value.server == server.address()
    assert client.state is State.OFFLINE
    assert server.got == []
    await client.close()


@ensureDeferred
async def test_what_fails_while_a_certificate_is_looked_at_is_no_acceptance(
    server: Server, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.show(Issued.make("localhost", by=authority))
    monkeypatch.setattr(Trust, "check", lambda *_: 1 // 0)
    client = ChatClient(client_endpoint(reactor, server.address(), tls=True))
    with pytest.raises(NotConnected, match="by zero"):
        await client.log_in(100, "a password")
    assert server.got == []
    await client.close()


@ensureDeferred
async def test_a_server_that_knows_only_old_versions_is_refused(
    server: Server, authority: Issued
) -> None:
    server.show(Issued.make("localhost", by=authority), newest=SSL.TLS1_1_VERSION)
    with pytest.raises(NotConnected, match=r"^TLS failed: .*(version|protocol)"):
        await connect(server.address(), tls=True)
    assert server.got == []


# ---------------------------------------------------------------- fingerprints


@ensureDeferred
async def test_a_fingerprint_that_is_given_is_all_that_counts(
    server: Server, authority: Issued
) -> None:
    mine = Issued.make("elsewhere.example", days=-1)
    server.show(mine)
    await speaks(server, Trust(mine.fingerprint))
    heard = len(server.got)
    server.show(Issued.make("localhost", by=authority))
    error = await refusal(server.address(), Trust(mine.fingerprint))
    assert (error.doubt, error.known, error.file) == (Doubt.CHANGED, mine.fingerprint, None)
    assert error.vouched
    assert len(server.got) == heard


@ensureDeferred
async def test_what_was_accepted_once_is_believed_by_later_runs(
    server: Server, tmp_path: Path
) -> None:
    server.show(Issued.make("whatever.example"))
    trust = Trust(known=KnownServers(tmp_path / "known"))
    error = await refusal(server.address(), trust)
    trust.accept(error.server, error.fingerprint)
    await speaks(server, trust)
    await speaks(server, Trust(known=KnownServers(tmp_path / "known")))
    # By another name it is another server.
    assert (await refusal(server.address("127.0.0.1"), trust)).doubt is Doubt.UNKNOWN


@ensureDeferred
async def test_accepting_needs_no_file(server: Server) -> None:
    server.show(Issued.make("localhost"))
    trust = Trust()
    error = await refusal(server.address(), trust)
    trust.accept(error.server, error.fingerprint)
    await speaks(server, trust)


@pytest.mark.parametrize("vouched", [False, True])
@ensureDeferred
async def test_a_certificate_that_changed_is_refused_also_when_the_roots_vouch_for_it(
    server: Server, authority: Issued, tmp_path: Path, vouched: bool
) -> None:
    trust = Trust(known=KnownServers(tmp_path / "known"))
    first = Issued.make("localhost")
    server.show(first)
    trust.accept(server.address(), first.fingerprint)
    second = Issued.make("localhost", by=authority if vouched else None)
    server.show(second)
    error = await refusal(server.address(), trust)
    assert (error.doubt, error.known) == (Doubt.CHANGED, first.fingerprint)
    assert (error.fingerprint, error.file) == (second.fingerprint, tmp_path / "known")
    assert error.vouched is vouched
    assert server.got == []


# ---------------------------------------------------------------- again


@ensureDeferred
async def test_a_new_connection_stands_by_the_decision_and_ends_for_good_at_another_certificate(
    server: Server,
) -> None:
    mine = Issued.make("localhost")
    server.show(mine)
    endpoint = client_endpoint(reactor, server.address(), Trust(mine.fingerprint))
    client = ChatClient(endpoint, timing=Timing(retry_first=0.01))
    asked = client.log_in(100, "a password")
    await _logins(server, 1)
    await asked
    server.hang_up()
    await _logins(server, 2)
    await _until(client, State.ONLINE)
    server.show(Issued.make("localhost"))
    heard = len(server.got)
    server.hang_up()
    await _until(client, State.OFFLINE)
    assert f"its fingerprint is not {mine.fingerprint}" in client.why
    assert len(server.got) == heard
    await client.close()


async def _until(client: ChatClient, state: State) -> None:
    while client.state is not state:
        await _turn()


async def _logins(server: Server, count: int) -> None:
    """Wait for so many logins, and answer the last one."""
    while len([each for each in server.got if isinstance(each, wire.LoginMes)]) < count:
        await _turn()
    server.heard[-1].send(a_welcome())


# ---------------------------------------------------------------- no TLS


@pytest.fixture
def begun() -> list[bytes]:
    """What was said to `deaf`."""
    return []


@pytest.fixture
def deaf(begun: list[bytes]) -> Iterator[Callable[[bytes], str]]:
    """A port that says something by itself, if anything, and goes no further."""
    ports: list[Any] = []

    def listen(says: bytes) -> str:
        class Deaf(Protocol):
            def connectionMade(self) -> None:
                transport: Any = self.transport
                transport.write(says)

            def dataReceived(self, data: bytes) -> None:
                begun.append(data)

        port = reactor.listenTCP(0, Factory.forProtocol(Deaf), interface="127.0.0.1")
        ports.append(port)
        return f"localhost:{port.getHost().port}"

    yield listen
    for port in ports:
        blockon(port.stopListening())


@ensureDeferred
async def test_no_tls_there_is_said_in_one_line(deaf: Callable[[bytes], str]) -> None:
    with pytest.raises(NotConnected, match=r"^TLS failed: [\w ]+$"):
        await connect(deaf(b"HTTP/1.1 400 Bad Request\r\n\r\n"), tls=True)


@ensureDeferred
async def test_a_handshake_that_never_ends_is_given_up(deaf: Callable[[bytes], str]) -> None:
    with pytest.raises(NotConnected, match=r"no answer within 0\.2 seconds"):
        await connect(deaf(b""), tls=True, timing=Timing(connect=0.2))


@ensureDeferred
async def test_a_handshake_can_be_cancelled(
    deaf: Callable[[bytes], str], begun: list[bytes]
) -> None:
    host, _, port = deaf(b"").partition(":")
    endpoint: Any = HostnameEndpoint(reactor, host, int(port))
    tls = TlsEndpoint(reactor, endpoint, host, f"{host}:{port}", Trust())
    attempt = tls.connect(Factory.forProtocol(Protocol))
    while not begun:
        await _turn()
    attempt.cancel()
    with pytest.raises(CancelledError):
        await attempt


@ensureDeferred
async def test_nobody_there_is_said_as_without_tls() -> None:
    with deaf_port() as port, pytest.raises(NotConnected, match="connection refused"):
        await connect(f"127.0.0.1:{port}", tls=True)


def test_an_endpoint_string_has_its_own_way_to_ask_for_tls() -> None:
    with pytest.raises(ValueError, match="with TLS, a server is HOST:PORT"):
        client_endpoint(reactor, "tcp:localhost:1", tls=True)
    assert not isinstance(client_endpoint(reactor, "tls:localhost:1"), TlsEndpoint)
    assert not isinstance(client_endpoint(reactor, "localhost:1"), TlsEndpoint)
