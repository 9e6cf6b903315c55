"""Who is online: on this node, which tells the store, and on all others, of which the bus tells."""

from __future__ import annotations

from collections.abc import Callable, Container

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from chatroom.common.clock import Clock
from chatroom.presence.announcer import Announcer
from chatroom.presence.publisher import Publisher
from chatroom.presence.roster import Roster
from chatroom.protocol.messages import Person, PresenceMes
from chatroom.store.events import PresenceEvent
from chatroom.store.interface import Store
from chatroom.store.records import Account, StoreUnavailable

#: The name of this node in its own roster; a node's name in the store is never empty.
HERE = ""


class Presence:
    """Who is online on all nodes, and the announcements of who comes and goes.

    :param name: this node's name in the store.
    :param here: the ids of the users who have a session on this node.
    :param tell: sends a `PresenceMes` to every session.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        *,
        name: str,
        here: Container[int],
        tell: Callable[[PresenceMes], None],
    ) -> None:
        self.roster = Roster()
        self._name = name
        self._here = here
        self._publisher = Publisher(clock, store)
        self._announcer = Announcer(clock, self.roster, tell)

    def status_of(self, account: Account) -> int:
        """The user's status as everybody sees it now."""
        person = self.roster.person(account.user_id)
        return account.status if person is None else person.user_status

    async def arrive(self, account: Account) -> None:
        """A session of that user logs in: every node is told, this one last.

        :raises StoreUnavailable: also if the user's last session ended meanwhile.
        """
        # The account was read before the password was checked: the roster may know better by now.
        now = replace(account.person(), user_status=self.status_of(account))
        await self._publisher.arrive(now)
        person = self._publisher.person(account.user_id)
        if person is None:
            raise StoreUnavailable("the session is gone")
        self._changed([person], [])

    def depart(self, user_id: int) -> None:
        """The user's last session on this node ended."""
        self._publisher.depart(user_id)
        self._changed([], [user_id])

    def heard(self, event: PresenceEvent) -> None:
        """The bus tells who came and went on a node."""
        if event.node == self._name:
            # Who is here, this node knows best; what it learns is a status set elsewhere.
            known = [person for person in event.present if person.user_id in self._here]
            for person in known:
                self._publisher.update(person)
            self._changed(known, [])
        else:
            self._announcer.changed(self.roster.apply(event))

    def publish_again(self) -> Deferred[None]:
        """Tell the store once more who is online here; fires once it knows."""
        return self._publisher.reset()

    def _changed(self, present: list[Person], gone: list[int]) -> None:
        event = PresenceEvent(node=HERE, present=present, gone=gone)
        self._announcer.changed(self.roster.apply(event))
