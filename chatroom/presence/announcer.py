"""Tells sessions who came and went: in batches, and only the count while it is crowded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatroom.common.clock import Clock, Timer
from chatroom.presence.roster import Roster
from chatroom.protocol.messages import Person, PresenceMes

#: With this many users online, nobody is told of each coming and going any more ...
CROWDED = 500
#: ... until there are fewer than this again.
UNCROWDED = 400
#: Seconds between two batches of changes: at most ten a second.
BATCH_INTERVAL = 0.1
#: Seconds between two counts while it is crowded.
COUNT_INTERVAL = 30


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
