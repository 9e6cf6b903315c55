"""The client's waits, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds. The defaults suit a person; tests set shorter ones."""

    #: Ceiling of the pause before the first new try; each further one doubles it.
    retry_first: float = 0.3
    #: Ceiling of the pause between two tries to connect.
    retry_most: float = 10.0
    #: Ceiling of the pause before a message is sent again that the server could not take.
    resend_most: float = 2.0
    #: A connection that lasted this long was a good one: the next pause is short again.
    stable_after: float = 5.0
    #: For a connection to be made.
    connect: float = 10.0
    #: For the answer to a request.
    answer: float = 10.0
    #: With no acknowledgement and no message for this long, the connection counts as dead.
    acknowledgement: float = 20.0
    #: Silence after which the server is pinged, and after which it is given up: the protocol's.
    ping_after: float = 30.0
    silence: float = 75.0
    #: Private messages that came within this time are confirmed together.
    confirm: float = 0.1
    #: For the server to hang up once a goodbye was said.
    goodbye: float = 2.0

    def retry_delay(self, failures: int, chance: float, most: float | None = None) -> float:
        """The pause after so many failures in a row.

        Half of it is random, so that clients which lost a server at the same moment do not all
        come back at the same moment.

        :param chance: from 0 to 1.
        :param most: the ceiling, if it is not `retry_most`.
        """
        doubled = self.retry_first * 2.0 ** min(failures, 32)
        return min(self.retry_most if most is None else most, doubled) * (0.5 + chance / 2)


class Backoff:
    """The pauses between tries that fail one after the other, each longer than the one before.

    :param chance: a random number from 0 to 1.
    :param most: their ceiling in seconds, if it is not `Timing.retry_most`.
    """

    def __init__(
        self, timing: Timing, chance: Callable[[], float], most: float | None = None
    ) -> None:
        self._timing = timing
        self._chance = chance
        self._most = most
        self._failures = 0

    def next(self, least: float = 0.0) -> float:
        """Seconds until the next try, ``least`` in any case."""
        delay = self._timing.retry_delay(self._failures, self._chance(), self._most)
        self._failures += 1
        return max(least, delay)

    def reset(self) -> None:
        """A try succeeded: the next pause is short again."""
        self._failures = 0
