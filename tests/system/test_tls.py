"""TLS by an endpoint string: it listens, it answers, and large answers come whole."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from chatroom import wire
from tests.store.test_connection_tls import certificate
from tests.system.lab import Lab
from tests.system.wire_client import WireClient, new_id


class TlsClient(WireClient):
    """Talks TLS, and believes one certificate."""

    def __init__(self, port: int, certificate_file: Path) -> None:
        super().__init__(port)
        context = ssl.create_default_context(cafile=str(certificate_file))
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A certificate for localhost and its key, in one file."""
    file = tmp_path / "localhost.pem"
    file.write_bytes(b"".join(certificate("localhost")))
    return file


def test_a_server_listens_with_tls_and_sends_much_through_it(lab: Lab, pem: Path) -> None:
    listen = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    server = lab.server(listen=("--listen", listen))
    with TlsClient(server.port, pem) as client, TlsClient(server.port, pem) as other:
        client.enter(100)
        other.enter(101)
        for _ in range(60):
            client.say("好" * 4000, new_id())
        for _ in range(60):
            other.hears("好" * 4000)
        client.send(wire.HistoryMes(limit=200))
        page = client.expect(wire.HistoryResMes, seconds=10)
        assert len(page.messages) == 60


def test_who_speaks_no_tls_costs_nobody_else_anything(lab: Lab, pem: Path) -> None:
    listen = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    server = lab.server(listen=("--listen", listen))
    with WireClient(server.port) as plain, TlsClient(server.port, pem) as client:
        plain.send(wire.PingMes())
        plain.expect_end()
        client.enter(100)
        assert client.say("still here", new_id()).code == wire.Code.OK
