"""How fast a server takes messages, learned from its refusals, with no I/O."""

from __future__ import annotations

from typing import Final

#: What is tried of the rate at which a server was seen to take messages: all of it would be
#: refused again soon.
CAUTION: Final = 0.9
#: By how much the rate grows with each message that was taken. A server that takes five a second
#: then refuses one every few seconds, and not half of them.
GROWTH: Final = 1.01
#: Slowest rate, in messages a second.
LEAST: Final = 1.0
#: Seconds without a refusal after which the rate is forgotten: the server has let everything
#: through for long, and has room for many at once again.
FORGET: Final = 60.0


class SendRate:
    """As fast as can be until the server refuses; then at about the rate that it took.

    Between two refusals the server took as many messages as it lets through in that time: so the
    second one tells its rate, whatever it is.
    """

    def __init__(self) -> None:
        #: Messages a second; None: nothing was refused lately.
        self.rate: float | None = None
        self._taken = 0
        self._refused_at: float | None = None
        self._next_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next message may be sent."""
        if self._refused_at is not None and now - self._refused_at > FORGET:
            self.rate = self._refused_at = None
        return 0.0 if self.rate is None else max(0.0, self._next_at - now)

    def sent(self, now: float) -> None:
        """A message was sent."""
        if self.rate is not None:
            self._next_at = max(self._next_at, now) + 1 / self.rate

    def taken(self) -> None:
        """The server has stored a message."""
        self._taken += 1
        if self.rate is not None:
            self.rate *= GROWTH

    def refused(self, now: float, wait: float) -> None:
        """A message was refused as too fast, for the first time since all that waited was sent.

        :param wait: seconds that the server said to wait.
        """
        since = wait if self._refused_at is None else now - self._refused_at
        self.rate = max(LEAST, CAUTION * self._taken / max(since, wait, 1.0))
        self._refused_at, self._taken = now, 0
        self._next_at = now + wait
