"""Who is online, on every node, and how sessions are told."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import islice

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.clock import Clock, Timer
from chatroom.protocol.messages import Person, PresenceMes, Status
from chatroom.store.events import PresenceEvent
from chatroom.store.interface import Store
from chatroom.store.records import StoreUnavailable

#: From so many users online nobody is told of each coming and going ...
CROWDED = 500
#: ... until there are fewer than this again.
UNCROWDED = 400
#: Seconds between two batches of changes: at most ten a second.
BATCH_INTERVAL = 0.1
#: Seconds between two counts while it is crowded.
COUNT_INTERVAL = 30
#: Seconds until the store is told again when telling it failed.
RETRY = 1.0

_log = Logger()


class Roster:
    """Everybody who is online, by node. No I/O."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[int, Person]] = {}
        #: How many nodes a user is online on.
        self._places: dict[int, int] = {}
        self._people: dict[int, Person] = {}
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, user_id: int) -> bool:
        return user_id in self._people

    def first(self, limit: int) -> list[Person]:
        """Some of those online, in no special order; costs the same however many there are."""
        return list(islice(self._people.values(), limit))

    def page(self, after: int, limit: int) -> tuple[list[Person], int | None]:
        """Up to ``limit`` people with an id above ``after``, and the last id if there are more."""
        begin = bisect_right(self._ids, after)
        ids = self._ids[begin : begin + limit]
        more = begin + limit < len(self._ids)
        return [self._people[user_id] for user_id in ids], ids[-1] if more else None

    def apply(self, event: PresenceEvent) -> list[Person]:
        """Take in what one node says; returns what that changes for the people."""
        users = self._nodes.setdefault(event.node, {})
        gone: Sequence[int] = event.gone
        if event.reset:
            still = {person.user_id for person in event.present}
            gone = [user_id for user_id in users if user_id not in still]
        changes = [change for user_id in gone if (change := self._go(users, user_id))]
        changes += [change for person in event.present if (change := self._come(users, person))]
        if not users:
            del self._nodes[event.node]
        return changes

    def person(self, user_id: int) -> Person | None:
        """The user as others see it, if online."""
        return self._people.get(user_id)

    def nodes(self) -> list[str]:
        """The names of the nodes that hold anybody."""
        return list(self._nodes)

    def _come(self, users: dict[int, Person], person: Person) -> Person | None:
        user_id = person.user_id
        if user_id not in users:
            places = self._places.get(user_id, 0)
            self._places[user_id] = places + 1
            if not places:
                insort(self._ids, user_id)
        users[user_id] = person
        before = self._people.get(user_id)
        self._people[user_id] = person
        return None if before == person else person

    def _go(self, users: dict[int, Person], user_id: int) -> Person | None:
        if users.pop(user_id, None) is None:
            return None
        self._places[user_id] -= 1
        if self._places[user_id]:
            return None
        del self._places[user_id]
        del self._ids[bisect_left(self._ids, user_id)]
        person = self._people.pop(user_id)
        return Person(user_id=user_id, user_name=person.user_name, user_status=Status.OFFLINE)


class Announcer:
    """Tells sessions who came and went: in batches, and only the count when it is crowded.

    :param tell: sends a `PresenceMes` to every session.
    """

    def __init__(self, clock: Clock, roster: Roster, tell: Callable[[PresenceMes], None]) -> None:
        self._clock = clock
        self._roster = roster
        self._tell = tell
        self._changes: dict[int, Person] = {}
        self._crowded = False
        self._scheduled: Timer | None = None
        self._told_at = float("-inf")

    def changed(self, changes: Sequence[Person]) -> None:
        """These came, went or changed their status."""
        if not changes:
            return
        was_crowded, online = self._crowded, len(self._roster)
        self._crowded = online >= (UNCROWDED if was_crowded else CROWDED)
        if self._crowded:
            self._changes.clear()
        else:
            self._changes.update((person.user_id, person) for person in changes)
        if self._scheduled is not None and was_crowded and not self._crowded:
            # What is told again is not to wait for the next count.
            self._scheduled.cancel()
            self._scheduled = None
        if self._scheduled is None:
            interval = COUNT_INTERVAL if self._crowded else BATCH_INTERVAL
            wait = self._told_at + interval - self._clock.seconds()
            self._scheduled = self._clock.callLater(max(wait, 0), self._announce)

    def _announce(self) -> None:
        self._scheduled = None
        changes = list(self._changes.values())
        self._changes.clear()
        self._told_at = self._clock.seconds()
        self._tell(PresenceMes(online=len(self._roster), changes=changes, partial=self._crowded))


class LocalPresence:
    """Keeps the store told who is online on this node, with the changes of one turn in one step."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        #: Who is to be online here, as the store will know it once all is said.
        self._here: dict[int, Person] = {}
        #: Those of whom the store is sure to know.
        self._known: set[int] = set()
        self._coming: dict[int, list[Deferred[None]]] = {}
        self._going: set[int] = set()
        self._busy = False
        self._reset = False
        #: Those who wait until the store was told everything again.
        self._resetting: list[Deferred[None]] = []

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
        deferred: Deferred[None] = Deferred()
        self._coming.setdefault(person.user_id, []).append(deferred)
        self._schedule()
        return deferred

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
        deferred: Deferred[None] = Deferred()
        self._resetting.append(deferred)
        self._reset = True
        self._known.clear()
        self._schedule()
        return deferred

    def _schedule(self, delay: float = 0) -> None:
        if not self._busy:
            self._busy = True
            self._clock.callLater(delay, self._flush)

    def _flush(self) -> None:
        coming, self._coming = self._coming, {}
        going, self._going = self._going, set()
        reset, self._reset = self._reset, False
        resetting: list[Deferred[None]] = []
        if reset:
            resetting, self._resetting = self._resetting, []
            present = list(self._here.values())
            told = self._store.reset_presence(present)
        else:
            present = [self._here[user_id] for user_id in coming if user_id in self._here]
            told = self._store.update_presence(present, list(going))
        waiting = [deferred for deferreds in coming.values() for deferred in deferreds]

        def stored(_: None) -> None:
            if not self._reset:
                self._known |= self._here.keys() & {person.user_id for person in present}
            for deferred in waiting + resetting:
                deferred.callback(None)

        def failed(failure: Failure) -> None:
            # Whether the store took it is unknown: everything has to be said again.
            self._reset = True
            self._known.clear()
            self._resetting = resetting + self._resetting
            for deferred in waiting:
                deferred.errback(failure)
            if failure.check(StoreUnavailable) is None:
                _log.failure("The store could not be told who is online", failure)

        told.addCallbacks(stored, failed).addBoth(lambda _: self._flushed())

    def _flushed(self) -> None:
        self._busy = False
        if self._reset:
            self._schedule(RETRY)
        elif self._coming or self._going:
            self._schedule()
