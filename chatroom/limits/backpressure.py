"""Backpressure: pauses reading from the busiest clients while the store or sockets are behind.

A queue that grows faster than it empties helps no one. So each sender may have only a fair share of
the messages on their way, and reading pauses from those with more; the others never notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chatroom.common.clock import Clock, Timer

#: Messages of one sender that may be on their way into the store.
MAX_UNANSWERED = 100
#: With so many messages of all senders on their way the store is behind: they share this many.
MOST_OF_ALL = 1000
#: Seconds for which a session with a long queue counts as behind. A client that has not read its
#: queue by then is slow for a reason of its own, and no sender is paused for it.
PATIENCE = 2.0
#: Seconds between two checks whether the sockets have caught up.
LOOK = 0.1


class Sender(Protocol):
    """What `Backpressure` needs of a session."""

    def hold(self) -> None:
        """Read nothing more from it until `release`."""

    def release(self) -> None: ...


class Backpressure:
    """Counts the messages on their way into the store, and the sessions with long queues.

    :param online: how many sessions there are; the sockets are behind while most of them are.
    """

    def __init__(self, clock: Clock, online: Callable[[], int]) -> None:
        self._clock = clock
        self._online = online
        #: Messages that the store has not answered yet, by sender.
        self._unanswered: dict[Sender, int] = {}
        self._all = 0
        self._held: set[Sender] = set()
        #: When each session fell behind, oldest first ...
        self._behind: dict[Sender, float] = {}
        #: ... and those that have been behind for longer than `PATIENCE`.
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
        # Once there are too many, all senders have equal shares, of at least one message.
        return self._all < MOST_OF_ALL or count < max(1, MOST_OF_ALL // len(self._unanswered))

    # ---- from the node to clients

    def fell_behind(self, session: Sender) -> None:
        """The session's queue is long."""
        if session not in self._slow:
            self._behind.setdefault(session, self._clock.seconds())

    def caught_up(self, session: Sender) -> None:
        """The session's queue is empty, or the session has ended."""
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
