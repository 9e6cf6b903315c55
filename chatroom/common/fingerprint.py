"""Fingerprints of certificates: SHA-256, written as ssh does, for people to compare."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

_PREFIX: Final = "SHA256:"
#: Bytes of a SHA-256.
_LENGTH: Final = 32


def fingerprint(certificate: bytes) -> str:
    """``SHA256:`` and base64 without padding.

    :param certificate: in DER form, the bytes that go over the wire.
    """
    return _written(hashlib.sha256(certificate).digest())


def parse_fingerprint(text: str) -> str:
    """A fingerprint that a person typed, in the form that `fingerprint` returns.

    The hexadecimal form with colons of ``openssl x509 -fingerprint -sha256`` is accepted as well.

    :raises ValueError: it is no fingerprint; the error says what one looks like.
    """
    digest = b""
    if re.fullmatch(r"(?i)(?:SHA256:)?(?:[0-9a-f]{2}:?){32}", text) and not text.endswith(":"):
        digits = text[len(_PREFIX) :] if text[: len(_PREFIX)].upper() == _PREFIX else text
        digest = bytes.fromhex(digits.replace(":", ""))
    elif text.startswith(_PREFIX):
        try:
            digest = base64.b64decode(text[len(_PREFIX) :].rstrip("=") + "=", validate=True)
        except (binascii.Error, ValueError):
            digest = b""
    if len(digest) != _LENGTH:
        raise ValueError(
            f"{text!r} is no fingerprint of a certificate: SHA256: and 43 letters, digits, + and /"
        )
    return _written(digest)


def _written(digest: bytes) -> str:
    return _PREFIX + base64.b64encode(digest).decode("ascii").rstrip("=")
