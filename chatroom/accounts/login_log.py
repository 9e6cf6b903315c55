"""Writes one log line for each try to log in, to register or to change a password.

Of what a client sent only a number gets into it, so nobody can forge or break a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import Logger

from chatroom.protocol import refusals
from chatroom.protocol.messages import Code
from chatroom.protocol.refusals import Refusal, Refused

#: The log's word for each refusal; any other refusal is logged with its code.
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
    """One try, whose outcome is logged.

    :param what: "Login", "Registration" or "Password change".
    :param address: where the client is.
    :param success: the outcome that is logged if it succeeds.
    """

    def __init__(self, what: str, user_id: int, address: str, success: str = "ok") -> None:
        self._what = what
        self._user_id = user_id
        # A proxy's header can put any text here.
        self._address = "".join(char for char in address[:64] if char.isprintable())
        self._success = success

    def ended(self, outcome: str) -> None:
        """Log the outcome."""
        _log.info(
            "{what} of {id} from {address}: {outcome}",
            what=self._what,
            id=self._user_id,
            address=self._address,
            outcome=outcome,
        )

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log the outcome of the ``with`` block."""
        outcome = "failed"
        try:
            yield
            outcome = self._success
        except Refused as refused:
            outcome = _outcome(refused.refusal)
            raise
        finally:
            self.ended(outcome)


def _outcome(refusal: Refusal) -> str:
    if refusal.code == Code.TOO_FAST:
        return "blocked"
    # All other refusals with this code are about the new password.
    otherwise = "weak password" if refusal.code == Code.REGISTER_FAILED else "refused with {:d}"
    return _OUTCOMES.get(refusal, otherwise.format(refusal.code))
