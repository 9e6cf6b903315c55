"""The log's one line for each try to log in, to register and to change a password.

Nothing that a client wrote gets into it but a number, so nobody can forge or break a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import Logger

from chatroom.protocol import refusals
from chatroom.protocol.messages import Code
from chatroom.protocol.refusals import Refusal, Refused

#: How refusals are called there; any other one is called by its code.
_OUTCOMES = {
    refusals.NO_SUCH_USER: "no such user",
    refusals.WRONG_PASSWORD: "wrong password",
    refusals.WRONG_TOKEN: "token refused",
    refusals.STORE_DOWN: "store away",
    refusals.REGISTER_FAILED: "store away",
    refusals.ID_TAKEN: "id taken",
    refusals.REGISTRATION_CLOSED: "closed",
    refusals.INVITATION_NEEDED: "not invited",
}

_log = Logger()


class Attempt:
    """A try by somebody.

    :param what: "Login", "Registration" or "Password change".
    :param address: where the client is.
    :param right: what it is called where it succeeds.
    """

    def __init__(self, what: str, user_id: int, address: str, right: str = "ok") -> None:
        self._what = what
        self._user_id = user_id
        # Addresses are the transport's, but what a proxy says of them comes from outside.
        self._address = "".join(char for char in address[:64] if char.isprintable())
        self._right = right

    def ended(self, outcome: str) -> None:
        """Log how it ended."""
        _log.info(
            "{what} of {id} from {address}: {outcome}",
            what=self._what,
            id=self._user_id,
            address=self._address,
            outcome=outcome,
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Log how what is done within ends."""
        outcome = "failed"
        try:
            yield
            outcome = self._right
        except Refused as refused:
            outcome = _outcome(refused.refusal)
            raise
        finally:
            self.ended(outcome)


def _outcome(refusal: Refusal) -> str:
    if refusal.code == Code.TOO_FAST:
        return "blocked"
    # What is left of these is about the new password.
    otherwise = "weak password" if refusal.code == Code.REGISTER_FAILED else "refused with {:d}"
    return _OUTCOMES.get(refusal, otherwise.format(refusal.code))
