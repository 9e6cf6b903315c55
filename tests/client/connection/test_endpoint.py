"""From an address to a connected client."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as running
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from chatroom.client import ChatClient, NotConnected, State, client_endpoint, connect
from tests.client.stage import ScriptedServer

reactor: Any = running


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("localhost", b"localhost", 8889),
        (" chat.example.org:1234 ", b"chat.example.org", 1234),
        ("127.0.0.1:1", b"127.0.0.1", 1),
        ("[::1]:8890", b"::1", 8890),
        ("[fe80::1]", b"fe80::1", 8889),
    ],
)
def test_a_host_and_a_port(server: str, host: bytes, port: int) -> None:
    endpoint = client_endpoint(MemoryReactorClock(), server)
    assert isinstance(endpoint, HostnameEndpoint)
    assert endpoint._hostText.encode() == host
    assert endpoint._port == port


def test_any_twisted_endpoint() -> None:
    endpoint = client_endpoint(MemoryReactorClock(), "tcp:host=localhost:port=5")
    assert isinstance(endpoint, TCP4ClientEndpoint)


@pytest.mark.parametrize("server", ["", "a:99999", "a:0", "no:such:thing", "::1", "tcp:nothing"])
def test_what_is_no_server_is_said_in_one_line(server: str) -> None:
    with pytest.raises(ValueError) as raised:
        client_endpoint(MemoryReactorClock(), server)
    assert len(str(raised.value).splitlines()) == 1


@pytest_twisted.ensureDeferred
async def test_a_client_over_a_real_socket(tmp_path: Any) -> None:
    address = str(tmp_path / "chat")
    servers: list[ScriptedServer] = []

    def serve() -> ScriptedServer:
        servers.append(ScriptedServer())
        return servers[-1]

    listening = serverFromString(reactor, f"unix:{address}")
    port = await listening.listen(Factory.forProtocol(serve))
    client = await connect(f"unix:{address}")
    assert client.state is State.ONLINE
    await client.close()
    another = ChatClient(client_endpoint(reactor, f"unix:{address}"))
    await another.connect()
    await another.close()
    assert another.state is State.CLOSED
    endpoint = client_endpoint(reactor, f"unix:{address}")
    await (await connect(endpoint, reactor=reactor)).close()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_no_server_there_is_said_in_one_line(tmp_path: Any) -> None:
    attempt = Deferred.fromCoroutine(connect(f"unix:{tmp_path / 'nothing'}"))
    with pytest.raises(NotConnected) as raised:
        await attempt
    assert len(str(raised.value).splitlines()) == 1
