"""What can go wrong for a user of the client library."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

from chatroom.client.base.error_texts import Words, of_server
from chatroom.protocol.messages import Code

#: Refused for now: the same login or message may be accepted later. 409 says that the server closes
#: the session, so a message is sent again in the next one. Every other code is final.
LATER: Final = frozenset({Code.TOO_FAST, Code.UNAVAILABLE, Code.CLOSED})


class ChatError(Exception):
    """Whatever the client library raises.

    ``text_en`` and ``text_zh`` say what is wrong in English and in Chinese, in one line; ``str()``
    is the English. ``code`` is the protocol's, where there is one (`protocol.messages.Code`).
    """

    code: int | None = None

    def __init__(self, text: str = "") -> None:
        #: The text in both languages, which another error can be made of.
        self.words = Words(text)
        super().__init__(str(text))

    @property
    def text_en(self) -> str:
        return str(self.words)

    @property
    def text_zh(self) -> str:
        return self.words.zh


class NotConnected(ChatError):
    """There is no connection, or nobody is logged in; the text is one line that says why.

    A message that fails with this may have been stored or not.

    ``final``: retrying can't help until something is changed; for example, the other end is not a
    chatroom server.
    """

    def __init__(self, text: str = "", *, final: bool = False) -> None:
        self.final = final
        super().__init__(text)


class Doubt(Enum):
    """Why a server's certificate is not accepted."""

    #: No authority that the system trusts has signed it; its fingerprint can be compared.
    UNKNOWN = "unknown"
    #: It is not the one that was accepted before, or asked for.
    CHANGED = "changed"
    #: It is for another host name, or not valid at this time.
    INVALID = "invalid"


_DOUBTS: Final = {
    Doubt.UNKNOWN: "没有认识的机构为它作保",
    Doubt.CHANGED: "应该是另一个证书",
    Doubt.INVALID: "证书无效",
}


class Untrusted(NotConnected):
    """The server's certificate was not accepted, and nothing was sent.

    ``server`` is ``host:port``, ``fingerprint`` that of the certificate it showed, ``known`` that
    of the one expected instead, and ``file`` holds it (None: the caller gave it). ``vouched``: an
    authority that the system trusts has signed the certificate all the same.
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
        text = Words(
            f"the certificate of {server} with the fingerprint {fingerprint} is not accepted: "
            f"{self.reason}",
            f"服务器 {server} 的证书 (指纹 {fingerprint}) 没有被接受: {_DOUBTS[doubt]} "
            f"({self.reason})",
        )
        super().__init__(text, final=True)


class Unconfirmed(ChatError):
    """A message was not acknowledged within the given time; it may have been stored."""


class Refused(ChatError):
    """The server refused a request; or would refuse it, so that it was not sent.

    ``retry_after`` is in seconds, where the server gave it. Where the account is banned or muted,
    ``until`` says when that ends: in milliseconds since 1970, UTC, or 0: never.
    """

    code: int

    def __init__(
        self,
        code: int,
        text: str = "",
        *,
        retry_after: float | None = None,
        until: int | None = None,
    ) -> None:
        """
        :param text: as the server put it, in either language or in both.
        """
        self.code = code
        self.until = until
        self.retry_after = retry_after
        super().__init__(of_server(code, text))


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
    all the same. It is safe to send it again with the same id.
    """

    uncertain: bool = False
