"""TLS between real programs: by an endpoint string, and by a certificate of the server's own."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatroom.protocol import messages as wire
from tests.certificates import Issued
from tests.ports import own_port
from tests.system.console import Pipe, Terminal
from tests.system.lab import TAC, TWISTD, Lab, Server
from tests.wire import PATIENCE, WireClient, new_id

LOCAL = "tcp:{}:interface=127.0.0.1"
MENU = "Welcome to the chat room"


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
    file.write_bytes(Issued.make("localhost").pem)
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
        page = client.expect(wire.HistoryResMes)
        assert len(page.messages) == 60


def test_who_speaks_no_tls_costs_nobody_else_anything(lab: Lab, pem: Path) -> None:
    listen = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    server = lab.server(listen=("--listen", listen))
    with WireClient(server.port) as plain, TlsClient(server.port, pem) as client:
        plain.send(wire.PingMes())
        plain.expect_end()
        client.enter(100)
        assert client.say("still here", new_id()).code == wire.Code.OK


# ---------------------------------------------------------------- versions


def hello(port: int, version: ssl.TLSVersion) -> str:
    """Shake hands by one version of TLS only; gives what came of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # OpenSSL's own caution would not even say hello by the old ones.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        try:
            with context.wrap_socket(plain) as tls:
                return str(tls.version())
        except ssl.SSLError as error:
            return str(error.reason)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("own", [False, True], ids=["ssl:", "--tls-self-signed"])
def test_nothing_older_than_tls_1_2_is_spoken(lab: Lab, pem: Path, own: bool) -> None:
    listen = LOCAL.format(0) if own else f"ssl:0:interface=127.0.0.1:privateKey={pem}"
    more = ("--tls-self-signed",) if own else ()
    port = lab.server(*more, listen=("--listen", listen)).port
    assert hello(port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert hello(port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    if not ssl.HAS_TLSv1_1:
        pytest.skip("this Python's OpenSSL can't speak TLS 1.1")
    # The server's own word, not this side's OpenSSL.
    assert hello(port, ssl.TLSVersion.TLSv1_1) == "TLSV1_ALERT_PROTOCOL_VERSION"


# ---------------------------------------------------------------- a certificate of its own


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where clients keep what they know; and no system's roots but the test's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return tmp_path / "config" / "chatroom"


def self_signed(lab: Lab) -> Server:
    return lab.server("--tls-self-signed", listen=("--listen", LOCAL.format(own_port())))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with ``--tls-self-signed``, for those who leave it as it is."""
    lab = Lab(tmp_path_factory.mktemp("own"))
    try:
        yield self_signed(lab)
    finally:
        lab.close()


def shown(server: Server) -> str:
    """The fingerprint that a server says is its own."""
    (found,) = re.findall(r"its fingerprint is (SHA256:\S+)", server.log())
    return str(found)


def test_a_person_is_asked_once_and_never_again(own: Server, config: Path) -> None:
    with Terminal(own.port, "--tls") as first:
        first.sees(f"vouches for the certificate of the server 127.0.0.1:{own.port}"[:60])
        first.sees(shown(own))
        first.sees("(yes/no)")
        first.type("yes")
        first.sees(MENU)
        first.type("2", "100", "a password", "Ann")
        first.sees("Registered")
        first.type("3")
        assert first.ends() == 0
    file = config / "known_servers"
    assert file.read_text() == f"127.0.0.1:{own.port} {shown(own)}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    # Through a pipe nobody could be asked.
    with Pipe(own.port, "--tls") as second:
        second.type("1", "100", "a password", "4")
        assert second.ends() == 0
        assert second.said.startswith("-")
        assert "Welcome Ann" in second.said
        assert second.errors == ""


def test_a_person_who_says_no_goes_away(own: Server, config: Path) -> None:
    with Terminal(own.port, "--tls") as person:
        person.sees("(yes/no)")
        person.type("no")
        assert person.ends() == 1
        assert MENU not in person.said
    assert not config.exists()


def test_without_a_terminal_an_unknown_certificate_is_refused_with_what_to_do(
    own: Server, config: Path
) -> None:
    with Pipe(own.port, "--tls") as script:
        script.type("yes", "1", "100", "a password")
        assert script.ends() == 1
        assert script.said == ""
        assert f"give --tls-fingerprint {shown(own)}\n" in script.errors
        assert script.errors.count("\n") == 1
    assert not config.exists()
    with Pipe(own.port, "--tls-fingerprint", shown(own)) as told:
        told.type("3")
        assert told.ends() == 0


def test_another_certificate_is_a_loud_refusal(lab: Lab) -> None:
    own = self_signed(lab)
    before = shown(own)
    with Terminal(own.port, "--tls") as person:
        person.sees("(yes/no)")
        person.type("yes")
        person.sees(MENU)
    own.stop()
    (own.data / "tls" / "self-signed.pem").unlink()
    listen = ("--listen", LOCAL.format(own.port))
    changed = lab.server("--tls-self-signed", data=own.data, listen=listen)
    for option in ("--tls", f"--tls-fingerprint={before}"):
        with Pipe(own.port, option) as script:
            script.type("1", "100", "a password")
            assert script.ends() == 1
            assert script.said == ""
            assert script.errors.startswith("!!! ")
            assert before in script.errors
            assert shown(changed) in script.errors
    with Terminal(own.port, "--tls") as person:
        person.sees("HAS CHANGED")
        assert person.ends() == 1
        assert "(yes/no)" not in person.said


def test_a_certificate_for_another_name_is_refused(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Issued.make()
    (tmp_path / "roots.pem").write_bytes(authority.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    for name, file in (("127.0.0.1", "right.pem"), ("elsewhere.example", "wrong.pem")):
        (tmp_path / file).write_bytes(Issued.make(name, by=authority).pem)
    listen = [
        f"ssl:0:interface=127.0.0.1:privateKey={tmp_path / name}.pem" for name in ("right", "wrong")
    ]
    server = lab.server(listen=("--listen", listen[0], "--listen", listen[1]))
    right, wrong = re.findall(r"Listening on \S+:(\d+) ", server.log())
    with Pipe(int(right), "--tls") as script:
        script.type("3")
        assert (script.ends(), script.errors) == (0, "")
    with Pipe(int(wrong), "--tls") as script:
        script.type("3")
        assert script.ends() == 1
        assert "is not valid (it is not for 127.0.0.1)" in script.errors


def test_the_rest_of_the_chain_is_given_beside_the_certificate(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Issued.make()
    between = Issued.make(by=root)
    mine = Issued.make("127.0.0.1", by=between)
    (tmp_path / "roots.pem").write_bytes(root.certificate_pem)
    (tmp_path / "privkey.pem").write_bytes(mine.key_pem)
    (tmp_path / "cert.pem").write_bytes(mine.certificate_pem)
    (tmp_path / "chain.pem").write_bytes(between.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    files = f"privateKey={tmp_path}/privkey.pem:certKey={tmp_path}/cert.pem"
    listen = f"ssl:0:interface=127.0.0.1:{files}:extraCertChain={tmp_path}/chain.pem"
    server = lab.server(listen=("--listen", listen))
    with Pipe(server.port, "--tls") as script:
        script.type("3")
        assert (script.ends(), script.errors) == (0, "")


def test_a_client_goes_on_after_a_restart_without_asking(lab: Lab) -> None:
    own = self_signed(lab)
    with Terminal(own.port, "--tls") as person:
        person.sees("(yes/no)")
        person.type("yes")
        person.sees(MENU)
        person.type("2", "100", "a password", "Ann", "1", "100", "a password")
        person.sees("Welcome Ann")
        own.stop()
        person.sees("Connection lost")
        listen = ("--listen", LOCAL.format(own.port))
        again = lab.server("--tls-self-signed", data=own.data, listen=listen)
        assert shown(again) == shown(own)
        person.sees("Connected again")
        person.type("2", "over TLS")
        person.sees("Sent")


def test_the_environment_asks_for_it_as_well(lab: Lab) -> None:
    data = lab.folder / "data"
    environ = {
        "CHATROOM_LISTEN": LOCAL.format(0),
        "CHATROOM_DATA": str(data),
        "CHATROOM_TLS_SELF_SIGNED": "1",
    }
    server = lab.foreground([TWISTD, "-n", "--pidfile=", "-y", str(TAC)], data, **environ)
    with Pipe(server.port, "--tls-fingerprint", shown(server)) as script:
        script.type("3")
        assert script.ends() == 0


def test_a_connection_too_many_costs_no_handshake(lab: Lab, pem: Path) -> None:
    listen = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    server = lab.server("--max-per-address", "1", listen=("--listen", listen), limited=True)
    with TlsClient(server.port, pem) as client:
        client.enter(100)
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port)) as refused:
                refused.settimeout(PATIENCE)
                with contextlib.suppress(ConnectionResetError):
                    assert refused.recv(100) == b""
        assert client.is_alive()
    assert "Unhandled" not in server.log()
    assert "Traceback" not in server.log()
