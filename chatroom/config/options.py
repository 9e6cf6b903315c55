"""The server's options, each declared once for command line and environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from chatroom.config import option_parsers as parse
from chatroom.config.option_parsers import Admission, Argon2, Network, Option
from chatroom.config.redis_address import RedisAddress
from chatroom.protocol import messages as wire

#: What is asked of new passwords: their length alone, or that they are not easily guessed.
Policy = Literal["open", "strict"]
#: When the private store's writes reach the disk: before each answer, or once a second.
Fsync = Literal["always", "everysec"]


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one server, checked. `OPTIONS` says what each one means, and its unit."""

    listen: tuple[str, ...]
    tls_self_signed: bool
    web: tuple[str, ...]
    web_host: tuple[str, ...]
    trusted_proxy: tuple[Network, ...]
    redis: RedisAddress | None
    data: Path
    node: str | None
    fsync: Fsync
    store_timeout: float
    min_password_length: int
    password_policy: Policy
    registration: Admission
    registration_rate: int
    login_failures: int
    login_timeout: float
    max_logins: int
    argon2: Argon2
    hash_threads: int
    max_frame: int
    message_burst: int
    message_rate: int
    byte_rate: int
    max_per_address: int
    max_connections: int | None
    send_queue: int
    room_history: int
    mailbox_unread: int
    mailbox_history: int


#: In the order of ``--help``.
OPTIONS: Final = (
    Option(
        "listen",
        "ENDPOINT",
        "tcp:8889",
        "Where to take connections, as a Twisted server endpoint; may be given several times.",
        parse.endpoint,
        many=True,
    ),
    Option(
        "tls-self-signed",
        "",
        "0",
        "Make a certificate, keep it in the data folder, and speak TLS by it on every tcp:"
        " endpoint of --listen.",
        parse.flag,
        flag=True,
    ),
    Option(
        "web",
        "ENDPOINT",
        None,
        "Where to serve the page for browsers, and its WebSocket, as a Twisted server endpoint; may"
        " be given several times.",
        parse.endpoint,
        many=True,
    ),
    Option(
        "web-host",
        "NAME",
        None,
        "A name by which browsers may ask for the page, besides addresses and localhost; may be"
        " given several times. [default: any, but none at a loopback address that no trusted proxy"
        " uses]",
        parse.host_name,
        many=True,
    ),
    Option(
        "trusted-proxy",
        "ADDRESS",
        None,
        "A proxy in front of the page, or a network of them: its X-Forwarded-For and"
        " X-Forwarded-Proto are believed. May be given several times.",
        parse.network,
        many=True,
    ),
    Option(
        "redis",
        "URL",
        None,
        "The Redis that holds everything: redis://, rediss:// (TLS) or unix://, with user, password"
        " and database where it needs them. Without it the server runs a private Valkey in its data"
        " folder.",
        RedisAddress.parse,
        protects=False,
    ),
    Option(
        "data",
        "DIR",
        "chatroom-data",
        "The data folder, made if it is not there; one server at a time.",
        parse.folder,
        protects=False,
    ),
    Option(
        "node",
        "NAME",
        None,
        "This server's name among those that share a Redis. [default: a random one, kept in the"
        " data folder]",
        parse.node,
        protects=False,
    ),
    Option(
        "fsync",
        "WHEN",
        "everysec",
        "When the private Valkey's writes reach the disk: always (before each is acknowledged) or"
        " everysec (a crash of the machine may cost the last second).",
        parse.one_of(*get_args(Fsync)),
    ),
    Option(
        "store-timeout",
        "SECONDS",
        "4",
        "How long a request may wait for the store, in seconds.",
        parse.seconds(0.1, 60),
    ),
    Option(
        "min-password-length",
        "N",
        "6",
        "Shortest password of a new account, in characters.",
        parse.number(1, wire.MAX_PASSWORD),
    ),
    Option(
        "password-policy",
        "POLICY",
        "open",
        "What is asked of new passwords: open (their length) or strict (8 characters, and none that"
        " is easily guessed).",
        parse.one_of(*get_args(Policy)),
    ),
    Option(
        "registration",
        "HOW",
        "open",
        "Who may register: open (everybody), closed (nobody) or invite:SECRET (who says SECRET;"
        " CHATROOM_REGISTRATION keeps it out of the list of processes).",
        parse.admission,
    ),
    Option(
        "registration-rate",
        "N",
        "20",
        "Most registrations in an hour from one address that is no private one, in accounts; 0: any"
        " number.",
        parse.number(0, 1_000_000),
    ),
    Option(
        "login-failures",
        "N",
        "10",
        "Wrong passwords in 10 minutes from one address, in tries, after which it has to wait; 0:"
        " any number, also at one account.",
        parse.number(0, 1_000_000),
    ),
    Option(
        "login-timeout",
        "SECONDS",
        "30",
        "How long a client may be connected without logging in, in seconds; 0: any time.",
        parse.seconds(1, 3600, or_zero=True),
    ),
    Option(
        "max-logins",
        "N",
        "100",
        "How many logins and registrations are under way together, more wait in line; 0: any"
        " number.",
        parse.number(0, 1_000_000),
    ),
    Option(
        "argon2",
        "T,KIB,P",
        "2,19456,1",
        "What one password hash (argon2id) costs: passes, memory in KiB, lanes.",
        parse.argon2,
    ),
    Option(
        "hash-threads",
        "N",
        "2",
        "How many passwords are hashed at once, in threads.",
        parse.number(1, 64),
    ),
    Option(
        "max-frame",
        "BYTES",
        str(wire.MAX_FRAME),
        "Largest frame taken from a client, in bytes.",
        parse.number(wire.MAX_FRAME_BEFORE_LOGIN, 16 * 1024 * 1024),
    ),
    Option(
        "message-burst",
        "N",
        "20",
        "How many messages and requests of one account are taken at once; 0: no limit.",
        parse.number(0, 1_000_000),
    ),
    Option(
        "message-rate",
        "N",
        "5",
        "How many of them a second are taken after that; 0: no limit.",
        parse.number(0, 1_000_000),
    ),
    Option(
        "byte-rate",
        "BYTES",
        "131072",
        "How much one connection may send a second, in bytes; four times that at once. 0: no"
        " limit.",
        parse.number(0, 1024 * 1024 * 1024),
    ),
    Option(
        "max-per-address",
        "N",
        "100",
        "How many connections there may be from one address (an IPv6 /64); 0: no limit.",
        parse.number(0, 1_000_000_000),
    ),
    Option(
        "max-connections",
        "N",
        None,
        "How many connections there may be altogether; 0: no limit. [default: from the limit on"
        " open files]",
        parse.number(0, 1_000_000_000),
    ),
    Option(
        "send-queue",
        "BYTES",
        "1048576",
        "What may wait for one slow client before it is disconnected, in bytes.",
        parse.number(wire.MAX_FRAME_BEFORE_LOGIN, 1024 * 1024 * 1024),
    ),
    Option(
        "room-history",
        "N",
        "100000",
        "How much of the room is kept, in messages.",
        parse.number(1, 1_000_000_000),
    ),
    Option(
        "mailbox-unread",
        "N",
        "10000",
        "Most unread private messages of one user, in messages; beyond it the sender is refused.",
        parse.number(1, 1_000_000_000),
    ),
    Option(
        "mailbox-history",
        "N",
        "10000",
        "How many private messages of one user are kept once they are read, in messages.",
        parse.number(0, 1_000_000_000),
    ),
)


def endpoints(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Where to listen, by the option that says so, such as ``--listen``."""
    asked = [option for option in OPTIONS if option.parse is parse.endpoint]
    return {f"--{option.name}": getattr(settings, option.field) for option in asked}
