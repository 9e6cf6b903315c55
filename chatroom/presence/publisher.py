"""Keeps the store, and so every other node, told who is online on this node."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from chatroom.common.clock import Clock
from chatroom.common.waiting import Waiters
from chatroom.protocol.messages import Person
from chatroom.store.interface import Store
from chatroom.store.records import StoreUnavailable

#: Seconds until the store is told again when telling it failed.
RETRY = 1.0

_log = Logger()


class Publisher:
    """Writes who is online here into the store, the changes of one reactor turn in one step."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        #: Who is to be online here, as the store will know it once all is said.
        self._here: dict[int, Person] = {}
        #: Those of whom the store is sure to know.
        self._known: set[int] = set()
        self._coming: dict[int, Waiters] = {}
        self._going: set[int] = set()
        self._busy = False
        self._reset = False
        #: Those who wait until the store was told everything again.
        self._resetting = Waiters()

    def person(self, user_id: int) -> Person | None:
        """The user as the store knows it, or is about to, if online here."""
        return self._here.get(user_id)

    def arrive(self, person: Person) -> Deferred[None]:
        """Fires when the store, and so every node, has been told; fails with StoreUnavailable."""
        if person.user_id in self._known:
            # By another session. To say it again could put back a status that is set meanwhile.
            return succeed(None)
        self._here[person.user_id] = person
        self._going.discard(person.user_id)
        self._schedule()
        return self._coming.setdefault(person.user_id, Waiters()).wait()

    def update(self, person: Person) -> None:
        """The store knows of a status already; keep it for a later `reset`."""
        if person.user_id in self._here:
            self._here[person.user_id] = person

    def depart(self, user_id: int) -> None:
        """The user's last session here went."""
        self._known.discard(user_id)
        if self._here.pop(user_id, None) is not None:
            self._going.add(user_id)
            self._schedule()

    def reset(self) -> Deferred[None]:
        """Tell the store everything again: it may have forgotten. Fires once it knows."""
        self._reset = True
        self._known.clear()
        self._schedule()
        return self._resetting.wait()

    def _schedule(self, delay: float = 0) -> None:
        if not self._busy:
            self._busy = True
            self._clock.callLater(delay, lambda: Deferred.fromCoroutine(self._flush()))

    async def _flush(self) -> None:
        coming, self._coming = self._coming, {}
        going, self._going = self._going, set()
        reset, self._reset = self._reset, False
        try:
            if reset:
                present = list(self._here.values())
                await self._store.reset_presence(present)
            else:
                present = [self._here[user_id] for user_id in coming if user_id in self._here]
                await self._store.update_presence(present, list(going))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            # Whether the store took it is unknown: everything has to be said again.
            self._reset = True
            self._known.clear()
            for waiters in coming.values():
                waiters.fire(error)
            if not isinstance(error, StoreUnavailable):
                _log.failure("The store could not be told who is online")
        else:
            if not self._reset:
                self._known |= self._here.keys() & {person.user_id for person in present}
            for waiters in coming.values():
                waiters.fire()
            if not self._reset:
                # Else they wait for what is asked meanwhile, which tells all that they wait for.
                self._resetting.fire()
        self._busy = False
        if self._reset:
            self._schedule(RETRY)
        elif self._coming or self._going:
            self._schedule()
