"""The cookie that keeps a browser logged in: the user's id, and a token that no script can read."""

from __future__ import annotations

from typing import NamedTuple

from chatroom.accounts.tokens import TOKEN_LIFETIME

#: Longest token that is accepted, in characters; as in `LoginMes`.
_MAX_TOKEN = 128


class Pass(NamedTuple):
    """What a cookie says."""

    user_id: int
    token: str


def name_of(*, secure: bool) -> str:
    """The cookie's name. With the prefix a browser accepts it from this host only."""
    return "__Host-chatroom" if secure else "chatroom"


def parse(value: bytes | None) -> Pass | None:
    """Parse the cookie's value; None if it is not valid."""
    user_id, _, token = (value or b"").decode("latin-1").partition(".")
    if not (user_id.isascii() and user_id.isdecimal() and 0 < len(token) <= _MAX_TOKEN):
        return None
    if len(user_id) > 16 or not token.isascii():
        return None
    return Pass(int(user_id), token)


def setting(user_id: int, token: str, *, secure: bool) -> bytes:
    """The header that makes a browser keep it."""
    return _header(f"{user_id}.{token}", TOKEN_LIFETIME, secure=secure)


def clearing(*, secure: bool) -> bytes:
    """The header that makes a browser forget it."""
    return _header("", 0, secure=secure)


def _header(value: str, max_age: int, *, secure: bool) -> bytes:
    parts = [
        f"{name_of(secure=secure)}={value}",
        "Path=/",
        f"Max-Age={max_age}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    return "; ".join(parts + ["Secure"] * secure).encode("ascii")
