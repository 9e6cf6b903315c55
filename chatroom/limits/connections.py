"""Limits how many connections there are, altogether and from one address. No I/O."""

from __future__ import annotations

from twisted.logger import Logger

from chatroom.common import addresses
from chatroom.common.clock import Clock

#: Seconds between two lines of the log about connections that were turned away.
QUIET = 60.0
#: Stands for the address of a connection that has none: a Unix socket's.
LOCAL = "local"

_log = Logger()


class ConnectionLimit:
    """Counts the connections of all transports of a node. 0: no limit.

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
        """Whether one more connection is allowed from there. If so, call `leave` when it ends.

        :param address: `LOCAL` if there is none: then only ``most`` limits it.
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
        """A connection that was admitted has ended."""
        group = addresses.group(address)
        self._count -= 1
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]

    def _turned_away(self, most: str) -> None:
        """Log it at most once a minute, so that a flood can't fill the log as well."""
        self._refused += 1
        now = self._clock.seconds()
        if self._said_at is None or now - self._said_at >= QUIET:
            self._said_at = now
            _log.warn(
                "Turned away {count} connections since the last such line: the limit is {most}",
                count=self._refused,
                most=most,
            )
            self._refused = 0
