"""What a new password must be like. It is taken as typed: neither trimmed nor cut short."""

from __future__ import annotations

from functools import cache
from importlib import resources

from chatroom.protocol import messages as wire
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refused

#: Characters that a password needs where the policy is strict. OWASP ASVS 5.0, 6.2.1.
STRICT_LENGTH = 8


@cache
def common_passwords() -> frozenset[str]:
    """The 3,000 commonest passwords that are long enough, in lower case."""
    text = (resources.files("chatroom.accounts") / "common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


class PasswordPolicy:
    """Checks new passwords; existing ones go on working.

    :param least: the least number of characters.
    :param strict: refuse the commonest, the user's id and name, and what has less than
        `STRICT_LENGTH` characters.
    """

    def __init__(self, least: int = 6, *, strict: bool = False) -> None:
        self._least = max(least, STRICT_LENGTH) if strict else least
        self._strict = strict

    def check(self, password: str, user_id: int, name: str) -> None:
        """:raises Refused: the password is not good enough; it says why."""
        try:
            wire.check_password(password)
        except ValueError as error:
            raise Refused(refusals.malformed(str(error))) from None
        if len(password) < self._least:
            raise Refused(refusals.password_too_short(self._least))
        if not self._strict:
            return
        if password.casefold() in common_passwords():
            raise Refused(refusals.PASSWORD_COMMON)
        if password.casefold() in (str(user_id), name.strip().casefold()):
            raise Refused(refusals.PASSWORD_IS_NAME)
