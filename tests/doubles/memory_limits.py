"""What is to be had only so often, in memory: the double of the store's counters."""

from __future__ import annotations

from math import ceil

from chatroom.common.clock import Clock


class MemoryLimits:
    """Counters that lapse, and which addresses have logged in to which account."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: How many, and when that lapses.
        self._counts: dict[object, tuple[int, float]] = {}
        #: By account: address -> until when it is known.
        self._known: dict[int, dict[str, float]] = {}

    def guess_wait(self, user_id: int, address: str, by_address: int, at_account: int) -> int:
        if self._is_known(user_id, address):
            return self._used_up((user_id, address), at_account)
        return max(self._used_up(address, by_address), self._used_up(user_id, at_account))

    def count_failure(self, user_id: int, address: str, window: int) -> None:
        self._count_up(address, window)
        if user_id:
            self._count_up(user_id, window)
            if self._is_known(user_id, address):
                self._count_up((user_id, address), window)

    def forget(self, user_id: int) -> None:
        self._known.pop(user_id, None)

    def remember(self, user_id: int, address: str, most: int, lifetime: int) -> None:
        known = self._known.setdefault(user_id, {})
        known.pop(address, None)
        known[address] = self._clock.seconds() + lifetime
        while len(known) > most:
            del known[next(iter(known))]

    def known(self, user_id: int) -> dict[str, float]:
        """The addresses that have logged in to an account, newest first, and until when each is."""
        known = sorted(self._known.get(user_id, {}).items(), key=lambda one: -one[1])
        return {address: until for address, until in known if self._is_known(user_id, address)}

    def acquire(self, what: str, most: int, window: int) -> int:
        wait = self._used_up(("taken", what), most)
        if not wait:
            self._count_up(("taken", what), window)
        return wait

    def _is_known(self, user_id: int, address: str) -> bool:
        return self._known.get(user_id, {}).get(address, 0.0) > self._clock.seconds()

    def _count(self, what: object) -> tuple[int, float]:
        count, until = self._counts.get(what, (0, 0.0))
        return (count, until) if until > self._clock.seconds() else (0, 0.0)

    def _count_up(self, what: object, window: int) -> None:
        count, until = self._count(what)
        self._counts[what] = (count + 1, until or self._clock.seconds() + window)

    def _used_up(self, what: object, most: int) -> int:
        count, until = self._count(what)
        return 0 if count < most else max(ceil(until - self._clock.seconds()), 1)
