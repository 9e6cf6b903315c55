"""Checks of what a person types, and errors in words that say what to do next."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from chatroom.client.base.errors import (
    ChatError,
    Doubt,
    LoginRefused,
    NotConnected,
    PasswordRefused,
    Refused,
    RegisterRefused,
    SendRefused,
    Unconfirmed,
    Untrusted,
)
from chatroom.protocol import display_names as names, messages as wire
from chatroom.protocol.messages import Code
from chatroom.terminal import texts
from chatroom.terminal.screen import BadLine
from chatroom.terminal.screen.glyphs import harmless_name

#: Raises `BadLine` if an answer is invalid.
Check = Callable[[str], object]

_MAX_ID: Final = 2**53 - 1
_BY_CODE: Final[dict[type[Refused], dict[int, str]]] = {
    LoginRefused: {
        Code.NO_SUCH_USER: texts.NO_SUCH_USER,
        Code.WRONG_PASSWORD: texts.WRONG_PASSWORD,
    },
    RegisterRefused: {
        Code.UNAVAILABLE: texts.ID_TAKEN,
        Code.REGISTER_FAILED: texts.REGISTER_FAILED,
    },
    PasswordRefused: {Code.WRONG_PASSWORD: texts.OLD_PASSWORD_WRONG},
    SendRefused: {
        Code.NO_RECIPIENT: texts.NO_RECIPIENT,
        Code.MAILBOX_FULL: texts.MAILBOX_FULL,
        Code.TOO_LARGE: texts.TOO_LARGE,
    },
}
_OTHERWISE: Final = {
    LoginRefused: texts.LOGIN_FAILED,
    PasswordRefused: texts.PASSWORD_KEPT,
    RegisterRefused: texts.REGISTER_FAILED,
}


def plain(answer: str) -> str:
    """A short answer without blanks around it, with full-width digits as ordinary ones."""
    return unicodedata.normalize("NFKC", answer).strip()


def user_id(answer: str) -> int:
    """Parse a user id.

    :raises BadLine: ``answer`` is not an id.
    """
    digits = plain(answer)
    if not re.fullmatch(r"[0-9]{1,16}", digits) or not 1 <= int(digits) <= _MAX_ID:
        raise BadLine(texts.BAD_ID)
    return int(digits)


def password(answer: str) -> None:
    """:raises BadLine: ``answer`` can't be a password."""
    try:
        wire.check_password(answer)
    except ValueError:
        answer = ""
    if not answer:
        raise BadLine(texts.BAD_PASSWORD, limit=wire.MAX_PASSWORD)


def name(answer: str) -> None:
    """:raises BadLine: ``answer`` can't be a name."""
    try:
        names.check_name(answer)
    except ValueError:
        raise BadLine(texts.BAD_NAME, limit=names.MAX_NAME) from None


def content(answer: str) -> None:
    """:raises BadLine: ``answer`` can't be sent."""
    if "\0" in answer:
        raise BadLine(texts.BAD_CONTENT)


def explain(say: texts.Translate, error: ChatError | BadLine) -> str:
    """What went wrong and what to do next, in one line for a person."""
    if isinstance(error, BadLine):
        return say(error.reason).format(**error.values)
    if isinstance(error, Unconfirmed):
        return say(texts.UNCONFIRMED)
    if isinstance(error, Untrusted):
        return _explain_distrust(say, error)
    reason = harmless_name(texts.in_language(say, error.text_en, error.text_zh))
    if isinstance(error, Refused):
        return _explain_refusal(say, error, reason)
    pattern = texts.NOT_CONNECTED if isinstance(error, NotConnected) else texts.REFUSED
    return say(pattern).format(reason=reason)


def _explain_distrust(say: texts.Translate, error: Untrusted) -> str:
    if error.doubt is Doubt.CHANGED:
        text = texts.OTHER_CERTIFICATE if error.file is None else texts.CHANGED_CERTIFICATE
    else:
        unknown = error.doubt is Doubt.UNKNOWN
        text = texts.UNKNOWN_CERTIFICATE if unknown else texts.INVALID_CERTIFICATE
    line = say(text).format(
        server=error.server,
        fingerprint=error.fingerprint,
        known=error.known,
        file=error.file,
        reason=error.reason,
    )
    if text == texts.CHANGED_CERTIFICATE and error.vouched:
        line += say(texts.CHANGED_BUT_VOUCHED)
    return line


def _explain_refusal(say: texts.Translate, error: Refused, reason: str) -> str:
    pattern = _BY_CODE.get(type(error), {}).get(error.code) if error.until is None else None
    if pattern is None and error.code == Code.TOO_FAST:
        pattern = texts.TOO_FAST if error.retry_after is None else texts.TOO_FAST_FOR
    if pattern is None and error.code == Code.UNAVAILABLE:
        pattern = texts.UNAVAILABLE
    if pattern is None:
        pattern = _OTHERWISE.get(type(error), texts.REFUSED)
    return say(pattern).format(reason=reason, seconds=round(error.retry_after or 0))
