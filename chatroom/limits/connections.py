"""Who may come in: how many connections there are, altogether and from one address. No I/O."""

from __future__ import annotations

from twisted.logger import Logger

from chatroom.common import addresses
from chatroom.common.clock import Clock

#: Seconds between two lines of the log about connections that were turned away.
QUIET = 60.0
#: Where a connection comes from that has no address: a Unix socket.
LOCAL = "local"

_log = Logger()


class ConnectionLimit:
    """Counts connections, for all doors of a node together. 0: no limit.

    :param per_address: most connections of one address; see `chatroom.common.addresses.group`.
    :param most: most connections altogether.
    """

    def __init__(self, clock: Clock, *, per_address: int = 0, most: int = 0) -> None:
        self._clock = clock
        self._per_address = per_address
        self._most = most
        self._count = 0
        self._groups: dict[str, int] = {}
        self._refused = 0
        self._said_at: float | None = None

    def admit(self, address: str) -> bool:
        """Whether one more may come in from there. If so, `leave` is to be called at its end.

        :param address: `LOCAL` for what has none: it counts only among all.
        """
        group = addresses.group(address)
        there = self._groups.get(group, 0)
        if self._most and self._count >= self._most:
            self._turned_away(f"{self._most} altogether")
            return False
        if self._per_address and there >= self._per_address and address != LOCAL:
            self._turned_away(f"{self._per_address} from {group}")
            return False
        self._count += 1
        self._groups[group] = there + 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was admitted is gone."""
        group = addresses.group(address)
        self._count -= 1
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]

    def _turned_away(self, most: str) -> None:
        """Say so, but not each time: who does this on purpose must not fill the log as well."""
        self._refused += 1
        now = self._clock.seconds()
        if self._said_at is None or now - self._said_at >= QUIET:
            self._said_at = now
            _log.warn(
                "Turned away {count} connections since the last such line: at most {most}",
                count=self._refused,
                most=most,
            )
            self._refused = 0
