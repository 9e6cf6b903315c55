"""What can go wrong for a user of the client library."""

from __future__ import annotations

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
    """


class Unconfirmed(ChatError):
    """A message was not acknowledged within the time its sender gave; it may yet have arrived."""


class Refused(ChatError):
    """The server said no.

    ``code`` is the protocol's (see `chatroom.wire.Code`), ``text`` is for people, and
    ``retry_after`` is in seconds, where the server gave it.
    """

    def __init__(self, code: int, text: str = "", *, retry_after: float | None = None) -> None:
        self.code = code
        self.text = text or _WORDS.get(code, f"refused with code {code}")
        self.retry_after = retry_after
        super().__init__(self.text)


class LoginRefused(Refused):
    """500: no such user; 403: wrong password or token; 505: the store is out of reach."""


class RegisterRefused(Refused):
    """505: the id is taken; 506: any other failure, told by the text."""


class SendRefused(Refused):
    """A message was not taken: 404 no such recipient or room, 507 a full mailbox, 400, 413, …

    ``uncertain``: an earlier try of this message got no clear answer, so it may have been stored
    all the same. Sending again under the same id is then without risk.
    """

    uncertain: bool = False
