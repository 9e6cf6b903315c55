"""What can go wrong for a user of the client library."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

from chatroom.wire import Code

#: Words for the codes of the protocol, where the server sent none.
_WORDS: Final[dict[int, str]] = {
    Code.MALFORMED: "the server did not understand this",
    Code.NOT_LOGGED_IN: "not logged in",
    Code.WRONG_PASSWORD: "wrong password",
    Code.NO_RECIPIENT: "no such user or room",
    Code.GONE: "this is no longer held",
    Code.TOO_LARGE: "too large",
    Code.TOO_FAST: "too fast, try again later",
    Code.NO_SUCH_USER: "no such user",
    Code.UNAVAILABLE: "the server can't reach its store",
    Code.REGISTER_FAILED: "the registration failed",
    Code.MAILBOX_FULL: "the recipient's mailbox is full",
}


class ChatError(Exception):
    """Whatever the client library raises."""


class NotConnected(ChatError):
    """There is no connection, or no login, to do it with; the text is one line that says why.

    A message whose sending ends so may have arrived or not: nobody can tell any more.

    ``final``: trying again is of no use before somebody changes something: what answers is no
    chatroom server, say.
    """

    def __init__(self, text: str = "", *, final: bool = False) -> None:
        self.final = final
        super().__init__(text)


class Doubt(Enum):
    """Why a server's certificate is not accepted."""

    #: Nobody whom the system's roots know vouches for it; its fingerprint may be compared.
    UNKNOWN = "unknown"
    #: Another one was accepted before, or was asked for.
    CHANGED = "changed"
    #: It is for another name, or for another time.
    INVALID = "invalid"


class Untrusted(NotConnected):
    """The server's certificate was not accepted, and nothing was sent.

    ``server`` is ``host:port``, ``fingerprint`` that of the certificate it showed, ``known`` that
    of the one expected instead, and ``file`` holds it (None: the caller gave it). ``vouched``: the
    system's roots know the certificate all the same.
    """

    def __init__(
        self,
        doubt: Doubt,
        server: str,
        fingerprint: str,
        *,
        reason: str = "",
        known: str | None = None,
        file: Path | None = None,
        vouched: bool = False,
    ) -> None:
        self.doubt = doubt
        self.server = server
        self.fingerprint = fingerprint
        self.reason = reason or f"its fingerprint is not {known}"
        self.known = known
        self.file = file
        self.vouched = vouched
        super().__init__(
            f"the certificate of {server} with the fingerprint {fingerprint} is not accepted: "
            f"{self.reason}",
            final=True,
        )


class Unconfirmed(ChatError):
    """A message was not acknowledged within the time its sender gave; it may yet have arrived."""


class Refused(ChatError):
    """The server said no.

    ``code`` is the protocol's (see `chatroom.wire.Code`), ``text`` is for people, and
    ``retry_after`` is in seconds, where the server gave it. Where the account is banned or muted,
    ``until`` says when that ends: in milliseconds since 1970, UTC, or 0: never.
    """

    def __init__(
        self,
        code: int,
        text: str = "",
        *,
        retry_after: float | None = None,
        until: int | None = None,
    ) -> None:
        self.code = code
        self.until = until
        self.text = text or _WORDS.get(code, f"refused with code {code}")
        self.retry_after = retry_after
        super().__init__(self.text)


class LoginRefused(Refused):
    """500: no such user; 403: wrong password or token, or banned (with ``until``); 429: wait; 505:
    the store is away."""


class RegisterRefused(Refused):
    """505: the id is taken; 429: wait; 506: any other failure, told by the text."""


class PasswordRefused(Refused):
    """403: the old password is wrong; 429: wait; 506: the text says what is wrong with the new."""


class SendRefused(Refused):
    """A message was not taken: 403 muted, 404 no such recipient or room, 507 a full mailbox, …

    ``uncertain``: an earlier try of this message got no clear answer, so it may have been stored
    all the same. Sending again under the same id is then without risk.
    """

    uncertain: bool = False
