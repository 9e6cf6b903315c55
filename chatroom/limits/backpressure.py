"""Backpressure: whose messages are read while the store or the sockets are behind.

A queue that grows while nobody can empty it helps no one. So reading pauses where most comes from:
each sender may have a fair share of what is on its way, and who says little never notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chatroom.common.clock import Clock, Timer

#: Messages of one sender that may be on their way into the store.
MAX_UNANSWERED = 100
#: Messages of all senders from which on the store counts as behind: then they share this many.
MOST_OF_ALL = 1000
#: Seconds for which a session whose queue is long counts as behind. A client that has not taken
#: what waits for it by then is slow for a reason of its own, and nobody waits for it.
PATIENCE = 2.0
#: Seconds between two looks whether the sockets have caught up.
LOOK = 0.1


class Sender(Protocol):
    """What `Backpressure` needs of a session."""

    def hold(self) -> None:
        """Read nothing more from it until `release`."""

    def release(self) -> None: ...


class Backpressure:
    """Counts what is on its way into the store, and what waits to leave.

    :param online: how many sessions there are; the sockets are behind while most of them are.
    """

    def __init__(self, clock: Clock, online: Callable[[], int]) -> None:
        self._clock = clock
        self._online = online
        #: Messages that the store has not answered yet, of each sender that has any.
        self._unanswered: dict[Sender, int] = {}
        self._all = 0
        self._held: set[Sender] = set()
        #: When each session fell behind that did so lately, in that order ...
        self._behind: dict[Sender, float] = {}
        #: ... and those that nobody waits for any more.
        self._slow: set[Sender] = set()
        self._look: Timer | None = None

    # ---- from clients into the store

    def took(self, sender: Sender) -> None:
        """A message of the sender is on its way into the store."""
        self._unanswered[sender] = self._unanswered.get(sender, 0) + 1
        self._all += 1
        if sender not in self._held and not self._may_send(sender):
            self._held.add(sender)
            sender.hold()

    def answered(self, sender: Sender) -> None:
        """The store has it, or refused it."""
        self._all -= 1
        count = self._unanswered[sender] - 1
        if count:
            self._unanswered[sender] = count
        else:
            del self._unanswered[sender]
        if sender in self._held and self._may_send(sender):
            self._held.remove(sender)
            sender.release()

    def _may_send(self, sender: Sender) -> bool:
        count = self._unanswered.get(sender, 0)
        if count >= MAX_UNANSWERED or (self._behind and self._sockets_are_behind()):
            return False
        # Once it is too much, each may have as many as any other, and at least one.
        return self._all < MOST_OF_ALL or count < max(1, MOST_OF_ALL // len(self._unanswered))

    # ---- from the node to clients

    def fell_behind(self, session: Sender) -> None:
        """Much waits to leave for the session."""
        if session not in self._slow:
            self._behind.setdefault(session, self._clock.seconds())

    def caught_up(self, session: Sender) -> None:
        """Nothing waits for the session any more, or it is gone."""
        self._behind.pop(session, None)
        self._slow.discard(session)

    def _sockets_are_behind(self) -> bool:
        now = self._clock.seconds()
        while self._behind:
            session, since = next(iter(self._behind.items()))
            if now - since < PATIENCE:
                break
            del self._behind[session]
            self._slow.add(session)
        if 2 * len(self._behind) <= self._online():
            return False
        if self._look is None:
            self._look = self._clock.callLater(LOOK, self._looked)
        return True

    def _looked(self) -> None:
        self._look = None
        if self._sockets_are_behind():
            return
        for sender in tuple(self._held):
            if self._may_send(sender):
                self._held.discard(sender)
                sender.release()
