"""TLS for what listens: a certificate of the server's own, and who is still heard in clear."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from chatroom.common.addresses import is_loopback
from chatroom.common.fingerprint import fingerprint
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError

#: In the data folder. Key and certificate are one file, which is replaced whole or not at all.
FOLDER: Final = "tls"
FILE: Final = "self-signed.pem"
#: Clients remember it, so it is to last; and a clock may be behind ours.
VALID_FOR: Final = dt.timedelta(days=3650)
VALID_BEFORE: Final = dt.timedelta(days=1)

ADVICE: Final = (
    "Listening in clear on a network: passwords and messages can be read on their way. Use"
    " --tls-self-signed or an ssl: endpoint, keep it to this machine with :interface=127.0.0.1, or"
    " have something in front that speaks TLS"
)

_TCP: Final = re.compile(r"tcp6?:")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that the server made for itself, and where it is kept with its key."""

    file: Path
    options: CertificateOptions
    fingerprint: str
    until: dt.datetime

    def __str__(self) -> str:
        return (
            f"TLS by the certificate in {self.file}, valid until {self.until:%Y-%m-%d}; its"
            f" fingerprint is {self.fingerprint}"
        )


def own_certificate(folder: DataFolder, now: dt.datetime) -> Certificate:
    """The certificate in the data folder, made if there is none that is valid.

    Blocks for some milliseconds, and is meant for before the reactor runs.

    :param folder: open.
    :param now: with its zone.
    :raises StartError: it can't be read or written, or is not what this server once made.
    """
    file = folder.subfolder(FOLDER) / FILE
    pem = folder.read(file)
    if pem is None or _until(file, pem) <= now:
        pem = _make(now)
        folder.write(file, pem)
    until = _until(file, pem)
    try:
        loaded = PrivateCertificate.loadPEM(pem)
    except (VerifyError, crypto.Error):
        raise _unusable(file) from None
    return Certificate(file, loaded.options(), fingerprint(loaded.dump()), until)


def _until(file: Path, pem: bytes) -> dt.datetime:
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        raise _unusable(file) from None


def _unusable(file: Path) -> StartError:
    return StartError(
        f"{file} does not hold a certificate and its key; put it back from a backup, or remove it: "
        "a new one is then made, which clients have to be told of"
    )


def _make(now: dt.datetime) -> bytes:
    """A key on the curve P-256, and a certificate for this machine's names; both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chatroom")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID_BEFORE)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(_own_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _own_names() -> list[x509.GeneralName]:
    """For clients that check names although they know the certificate."""
    host = socket.gethostname()
    names = {"localhost": None, **({host: None} if re.fullmatch(r"[A-Za-z0-9.-]+", host) else {})}
    addresses = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
    return [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]


# ---------------------------------------------------------------- endpoints


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
