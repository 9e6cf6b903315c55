"""The end of a connection that is not made again, for all callers that wait for it."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from chatroom.common.waiting import Waiters


class Ending:
    """Fires the waiting Deferreds when the end has come; later ones fire at once."""

    def __init__(self) -> None:
        self._waiters = Waiters()
        self._has_come = False
        #: What it came with; None where it was wanted.
        self.error: BaseException | None = None
        #: Somebody has heard of it.
        self.was_told = False

    def wait(self) -> Deferred[None]:
        """Fires at the end; fails where that came with an error."""
        ended = self._waiters.wait()
        if self._has_come:
            self._tell()
        return ended

    def come(self, error: BaseException | None) -> None:
        """It is there."""
        self._has_come, self.error = True, error
        self._tell()

    def reset(self) -> None:
        """A new connection is made."""
        self._has_come, self.error, self.was_told = False, None, False

    def _tell(self) -> None:
        self.was_told = self.was_told or bool(self._waiters)
        self._waiters.fire(self.error)
