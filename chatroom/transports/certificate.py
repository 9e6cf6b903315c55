"""The server's own TLS certificate: made, kept in the data folder, and loaded."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto
from twisted.internet.error import VerifyError
from twisted.internet.ssl import CertificateOptions, PrivateCertificate

from chatroom.common.fingerprint import fingerprint
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError

#: In the data folder. Key and certificate are one file, which is replaced whole or not at all.
FOLDER: Final = "tls"
FILE: Final = "self-signed.pem"
#: Clients remember it, so it is to last; and a clock may be behind ours.
VALID_FOR: Final = dt.timedelta(days=3650)
VALID_BEFORE: Final = dt.timedelta(days=1)


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
