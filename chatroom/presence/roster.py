"""Everybody who is online, on every node. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import islice

from chatroom.protocol.messages import Person, Status
from chatroom.store.events import PresenceEvent


class Roster:
    def __init__(self) -> None:
        #: Who is online on each node that holds anybody.
        self._nodes: dict[str, dict[int, Person]] = {}
        #: How many nodes a user is online on.
        self._places: dict[int, int] = {}
        self._people: dict[int, Person] = {}
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._people)

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
