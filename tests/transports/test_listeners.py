"""The server's own certificate, and which endpoints speak TLS by it."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory

from chatroom.common.fingerprint import fingerprint
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.transports.certificate import Certificate, own_certificate
from chatroom.transports.listeners import in_clear, listening_endpoint
from tests.certificates import Issued
from tests.config.test_data_folder import NOBODY, mode, needs_root

pytestmark = [
    # Twisted hands pyOpenSSL its own kind of certificate.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]

NOW = dt.datetime.now(dt.UTC)
YEAR = dt.timedelta(days=365)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    yield folder
    folder.close()


@pytest.fixture
def certificate(data: DataFolder) -> Certificate:
    return own_certificate(data, NOW)


def read(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.file.read_bytes())


# ---------------------------------------------------------------- the certificate


def test_it_is_made_for_ten_years_and_for_this_machine(certificate: Certificate) -> None:
    made = read(certificate)
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    assert made.not_valid_before_utc < NOW
    assert made.not_valid_after_utc > NOW + 10 * 364 * dt.timedelta(days=1)
    assert certificate.until == made.not_valid_after_utc
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", socket.gethostname()} == set(names.get_values_for_type(x509.DNSName))


def test_nobody_else_can_read_it(certificate: Certificate, data: DataFolder) -> None:
    assert mode(data.path / "tls") == 0o700
    assert [mode(file) for file in (data.path / "tls").iterdir()] == [0o600]


def test_its_fingerprint_is_what_clients_see(certificate: Certificate) -> None:
    assert certificate.fingerprint == fingerprint(read(certificate).public_bytes(Encoding.DER))
    assert f"its fingerprint is {certificate.fingerprint}" in str(certificate)


def test_it_is_kept(certificate: Certificate, data: DataFolder) -> None:
    before = certificate.file.read_bytes()
    later = own_certificate(data, NOW + 9 * YEAR)
    assert later.fingerprint == certificate.fingerprint
    assert certificate.file.read_bytes() == before


def test_once_it_has_expired_another_is_made(certificate: Certificate, data: DataFolder) -> None:
    later = own_certificate(data, NOW + 11 * YEAR)
    assert later.fingerprint != certificate.fingerprint
    assert later.until > NOW + 20 * YEAR
    assert [file.name for file in (data.path / "tls").iterdir()] == ["self-signed.pem"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        Issued.make("a").certificate_pem,
        Issued.make("a").key_pem,
        Issued.make("a").key_pem + Issued.make("a").certificate_pem,
    ],
    ids=["nothing", "rubbish", "no key", "no certificate", "the key of another"],
)
def test_what_is_no_certificate_and_key_is_refused_and_left(
    data: DataFolder, content: bytes
) -> None:
    file = data.subfolder("tls") / "self-signed.pem"
    file.write_bytes(content)
    with pytest.raises(StartError, match="does not hold a certificate and its key") as caught:
        own_certificate(data, NOW)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content


def test_one_that_can_not_be_read_is_refused(data: DataFolder) -> None:
    # A folder where the file should be: what fails for root too.
    (data.subfolder("tls") / "self-signed.pem").mkdir()
    with pytest.raises(StartError, match="Is a directory"):
        own_certificate(data, NOW)


@needs_root
def test_it_belongs_to_the_user_that_the_server_changes_to(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data", NOBODY)
    folder.open()
    file = own_certificate(folder, NOW).file
    for path in (file, file.parent):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == NOBODY
    folder.close()


# ---------------------------------------------------------------- endpoints


@pytest.mark.parametrize("text", ["tcp:1", "tcp:port=1:interface=127.0.0.1", "tcp6:1"])
@pytest.mark.parametrize("with_certificate", [False, True])
def test_tcp_endpoints_speak_tls_by_the_certificate_there_is(
    certificate: Certificate, text: str, with_certificate: bool
) -> None:
    assert listens(text, certificate if with_certificate else None) is with_certificate


def test_other_endpoints_are_left_as_they_are(certificate: Certificate, tmp_path: Path) -> None:
    assert not listens(f"unix:{tmp_path}/s", certificate)
    assert not listens("haproxy:tcp:1", certificate)


def listens(text: str, certificate: Certificate | None) -> bool:
    """Whether an endpoint wraps what it is given in TLS."""
    reactor: Any = MemoryReactorClock()
    factory: Any = object()
    listening_endpoint(reactor, text, certificate).listen(factory)
    ((_, listening, *_),) = reactor.tcpServers or [(0, reactor.unixServers[0][1])]
    return isinstance(listening, TLSMemoryBIOFactory)


class Port:
    """What listens, as far as anybody asks."""

    def __init__(self, address: object) -> None:
        self._address = address

    def getHost(self) -> object:
        return self._address


def v4(host: str) -> Port:
    return Port(IPv4Address("TCP", host, 1))


@pytest.mark.parametrize(
    ("text", "port", "clear"),
    [
        ("tcp:1", v4("0.0.0.0"), True),
        ("tcp:1:interface=192.0.2.1", v4("192.0.2.1"), True),
        ("tcp:1:interface=127.0.0.1", v4("127.0.0.1"), False),
        ("tcp:1:interface=127.8.9.1", v4("127.8.9.1"), False),
        ("tcp:1:interface=\\:\\:1", Port(IPv6Address("TCP", "::1", 1)), False),
        ("tcp6:1", Port(IPv6Address("TCP", "::", 1)), True),
        ("unix:/s", Port(UNIXAddress("/s")), False),
        ("ssl:1", v4("0.0.0.0"), False),
        ("systemd:domain=INET:index=0", v4("0.0.0.0"), False),
        ("haproxy:tcp:1", v4("0.0.0.0"), False),
    ],
)
def test_what_others_can_read_is_what_comes_in_clear_from_a_network(
    certificate: Certificate, text: str, port: Port, clear: bool
) -> None:
    assert in_clear(text, None, port) is clear
    assert not in_clear(text, certificate, port)
