"""Parsers for option values; each raises `ValueError` with what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from math import nan
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL, crypto
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import VerifyError

from chatroom.common import addresses
from chatroom.protocol import messages as wire

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Option:
    """One option: ``--name`` on the command line, ``variable`` in the environment.

    ``parse`` reads the text, and raises `ValueError` with what is wrong with it. ``default`` goes
    through it too; None: there is no default, and `Settings` holds None.
    A flag is given without a value on the command line, and as ``1`` or ``0`` in the environment.
    What ``protects`` from somebody has a row in docs/security.md.
    """

    name: str
    placeholder: str
    default: str | None
    help: str
    parse: Callable[[str], Any]
    many: bool = False
    flag: bool = False
    protects: bool = True

    @property
    def field(self) -> str:
        """The name in `Settings`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return "CHATROOM_" + self.field.upper()


@dataclass(frozen=True, slots=True)
class Argon2:
    """The cost of one password hash: passes, memory in KiB, and lanes."""

    time_cost: int
    memory_kib: int
    parallelism: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may register: nobody if ``closed``; else who gives ``invite``, unless it is empty."""

    closed: bool = False
    invite: str = field(default="", repr=False)


def number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise ValueError(f"{text!r} must be a whole number from {least} to {most}")
        return int(text)

    return parse


def seconds(least: float, most: float, *, or_zero: bool = False) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = nan
        if not (least <= found <= most or (or_zero and found == 0)):
            what = "0 or a number" if or_zero else "a number"
            raise ValueError(f"{text!r} must be {what} of seconds from {least} to {most}")
        return found

    return parse


def one_of(first: str, second: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in (first, second):
            raise ValueError(f"{text!r} must be {first} or {second}")
        return text

    return parse


def flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} must be 1 or 0")
    return text == "1"


def endpoint(text: str) -> str:
    """Twisted's own parser says whether it is one; it needs a reactor only once it listens."""
    if re.search(r"(?<!\\):sslmethod=", text):
        raise ValueError(
            f"{text!r}: leave sslmethod out: it could only let in versions of TLS older than 1.2"
        )
    try:
        serverFromString(cast("Any", None), text)
    except OSError as error:
        raise ValueError(f"{text!r}: {error.filename}: {error.strerror}") from None
    except VerifyError:
        raise ValueError(
            f"{text!r}: the key in privateKey= does not belong to the certificate in certKey="
        ) from None
    except (SSL.Error, crypto.Error):
        raise ValueError(
            f"{text!r}: the files do not hold a key and its certificate in PEM form, without a "
            "passphrase"
        ) from None
    except Exception as error:  # noqa: BLE001 - parsers of any plugin, each with errors of its own
        raise ValueError(
            f"{text!r} is not an endpoint to listen on ({error}): write for example tcp:8889 or "
            "tcp:8889:interface=127.0.0.1"
        ) from None
    port = re.match(r"(?:tcp6?|ssl|tls):(?:port=)?(\d+)", text)
    if port and int(port[1]) > 65535:
        raise ValueError(f"{text!r}: a port is a number from 0 to 65535")
    return text


def node(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError(f"{text!r}: 1 to 64 letters, digits, '.', '_' and '-'")
    return text


def host_name(text: str) -> str:
    """The name of a host, as browsers write it: in ASCII, in lower case."""
    try:
        name = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        name = ""
    if not re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name):
        raise ValueError(
            f"{text!r} is not a host name: write for example chat.example.org, without scheme and"
            " port"
        )
    return name


def folder(text: str) -> Path:
    """Absolute from here on: twistd changes to another folder before the service starts."""
    return Path(text).expanduser().absolute()


def network(text: str) -> Network:
    """An address, or a network of them."""
    try:
        return addresses.network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not an address or a network: write for example 127.0.0.1 or 10.0.0.0/8"
        ) from None


def admission(text: str) -> Admission:
    """An error does not show the text: it may hold the secret."""
    how, colon, secret = text.partition(":")
    if how == "invite" and secret:
        if len(secret) > wire.MAX_INVITE:
            raise ValueError(f"an invitation has at most {wire.MAX_INVITE} characters")
        return Admission(invite=secret)
    if colon or how not in ("open", "closed"):
        raise ValueError("must be open, closed or invite:SECRET")
    return Admission(closed=how == "closed")


def argon2(text: str) -> Argon2:
    try:
        time_cost, memory_kib, parallelism = (int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not passes,KiB,lanes: write for example 2,19456,1") from None
    if not (1 <= parallelism <= 16 and 1 <= time_cost <= 100):
        raise ValueError("passes are from 1 to 100, lanes from 1 to 16")
    # RFC 9106, 3.1: memory is at least 8 KiB a lane.
    if not 8 * parallelism <= memory_kib <= 4 * 1024 * 1024:
        raise ValueError(f"memory is from {8 * parallelism} KiB to 4194304 KiB (4 GiB)")
    return Argon2(time_cost, memory_kib, parallelism)
