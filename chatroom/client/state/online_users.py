"""The users online, as far as the server has told."""

from __future__ import annotations

from collections.abc import Iterable

from chatroom.protocol import messages as wire


class OnlineUsers:
    """The users online by id, kept up to date from logins and presence."""

    def __init__(self) -> None:
        self.by_id: dict[int, wire.Person] = {}
        #: How many are online, of whom `by_id` may have only some.
        self.count = 0
        #: There are so many users that not every change of presence is told.
        self.partial = False

    def replace(self, people: Iterable[wire.Person], count: int | None = None) -> list[wire.Person]:
        """Take the server's whole list; returns what is other than before.

        :param count: how many are online, where the server may have left some out.
        """
        now = {person.user_id: person for person in people if _is_here(person)}
        self.count = len(now) if count is None else count
        self.partial = len(now) < self.count
        changes = [person for person in now.values() if self.by_id.get(person.user_id) != person]
        if not self.partial:
            changes += [
                wire.Person(gone.user_id, gone.user_name, wire.Status.OFFLINE)
                for gone in self.by_id.values()
                if gone.user_id not in now
            ]
        self.by_id.clear()
        self.by_id.update(now)
        return changes

    def change(self, presence: wire.PresenceMes) -> None:
        """Apply the changes that the server tells."""
        self.count = presence.online
        # Changes that were not told stay unknown until the whole list is fetched.
        self.partial = self.partial or presence.partial
        for person in presence.changes:
            if _is_here(person):
                self.by_id[person.user_id] = person
            else:
                self.by_id.pop(person.user_id, None)


def _is_here(person: wire.Person) -> bool:
    return person.user_status != wire.Status.OFFLINE
