"""Fingerprints: one form that is shown, several that are taken."""

from __future__ import annotations

import hashlib

import pytest

from chatroom.common.fingerprint import fingerprint, parse_fingerprint

#: The SHA-256 of nothing, as `ssh-keygen` and openssl would write it.
SHOWN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
DIGEST = hashlib.sha256(b"")
COLONS = ":".join(f"{byte:02X}" for byte in DIGEST.digest())


def test_it_is_the_sha_256_as_ssh_writes_it() -> None:
    assert fingerprint(b"") == SHOWN
    assert fingerprint(b"other") != SHOWN


@pytest.mark.parametrize(
    "given",
    [SHOWN, SHOWN + "=", COLONS, COLONS.lower(), DIGEST.hexdigest(), f"SHA256:{COLONS}"],
)
def test_it_is_taken_as_programs_write_it(given: str) -> None:
    assert parse_fingerprint(given) == SHOWN


@pytest.mark.parametrize(
    "given",
    [
        *("", "SHA256:", "MD5:47DEQpj8HBSa", SHOWN[:-1], SHOWN + "A", SHOWN.replace("+", "!")),
        *(SHOWN.removeprefix("SHA256:"), COLONS + ":", COLONS[:-1], "SHA256:é"),
    ],
)
def test_what_is_none_is_refused_in_one_line(given: str) -> None:
    with pytest.raises(ValueError, match="is no fingerprint of a certificate: SHA256:") as caught:
        parse_fingerprint(given)
    assert "\n" not in str(caught.value)
