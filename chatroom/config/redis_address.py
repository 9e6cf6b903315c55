"""Where a Redis is: what a ``redis://``, ``rediss://`` or ``unix://`` URL says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

DEFAULT_PORT: Final = 6379
_FORMS: Final = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// likewise for TLS, "
    "or unix://[USER:PASSWORD@]/PATH[?db=DB]"
)
#: Unescaped, these end the host, so that part of the password would be read as something else.
_ESCAPES: Final = "'/', '?', '#' and '@' in a password are written %2F, %3F, %23 and %40"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis server and how to log in there.

    Either ``path`` is a Unix socket's, or ``host`` and ``port`` are TCP's. The password shows in
    neither `str` nor `repr`.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    tls: bool = False
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read a URL; user, password, host and path may be percent-encoded.

        :raises ValueError: it is none of the three forms. The text never holds the password.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError(f"not a Redis URL: write {_FORMS}")
        if parts.fragment:
            raise ValueError(f"'#' means nothing in a Redis URL; {_ESCAPES}")
        username, password = _credentials(parts)
        if parts.scheme == "unix":
            if parts.hostname or not parts.path.startswith("/"):
                raise ValueError("a Unix socket's path is absolute: write unix:///run/redis.sock")
            return cls(
                path=unquote(parts.path),
                username=username,
                password=password,
                db=_database(parse_qs(parts.query).get("db", ["0"])[-1]),
            )
        if not parts.hostname:
            raise ValueError(f"no host: write {_FORMS}; {_ESCAPES}")
        return cls(
            host=unquote(parts.hostname),
            port=_port(parts),
            tls=parts.scheme == "rediss",
            username=username,
            password=password,
            db=_database(parts.path.strip("/") or "0"),
        )

    def __str__(self) -> str:
        user = "" if self.username is None else f"{self.username}@"
        if self.path is not None:
            return f"unix://{user}{self.path}" + (f"?db={self.db}" if self.db else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{user}{host}:{self.port}" + (f"/{self.db}" if self.db else "")


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.password is None:
        if parts.username:
            raise ValueError("a user without a password: write USER:PASSWORD@, or :PASSWORD@")
        return None, None
    return unquote(parts.username or "") or None, unquote(parts.password)


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to 65535; {_ESCAPES}")
    return DEFAULT_PORT if port is None else port


def _database(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("the database must be a number: write /0 (TCP) or ?db=0 (Unix socket)")
    return int(text)
