"""Tells who came online or went offline: in single lines if few, in one line if many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from chatroom.common.clock import Clock, Timer, cancel
from chatroom.protocol.messages import Person, Status
from chatroom.terminal import texts
from chatroom.terminal.wording import Wording

#: Seconds for which changes are gathered: a user who only reconnects is back by then.
GATHER: Final = 1.0
#: Seconds for the next ones when they were too many.
GATHER_MANY: Final = 10.0
#: Most changes that are told one by one.
MAX_SINGLE: Final = 3


class PresenceNotices:
    """The users online that were announced, and the changes still to announce.

    :param tell: takes each line.
    """

    def __init__(self, clock: Clock, wording: Wording, tell: Callable[[str], object]) -> None:
        self._clock = clock
        self._wording = wording
        self._tell = tell
        self._told: dict[int, Person] = {}
        self._changed: dict[int, Person] = {}
        self._online = 0
        self._wait = GATHER
        self._call: Timer | None = None
        self._own_id = 0

    def start(self, own_id: int, online: Iterable[Person]) -> None:
        """Start anew with the users ``online``; changes of ``own_id`` are not announced."""
        self.stop()
        self._own_id = own_id
        self._told = {person.user_id: person for person in online}

    def stop(self) -> None:
        """Discard the changes that were gathered."""
        self._changed.clear()
        cancel(self._call)
        self._call = None

    def changed(self, people: Iterable[Person], online: int) -> None:
        """These came, went or changed their status; ``online`` is how many there are now."""
        self._online = online
        for person in people:
            if person.user_id != self._own_id:
                self._changed[person.user_id] = person
        if self._changed and self._call is None:
            self._call = self._clock.callLater(self._wait, self._flush)

    def _flush(self) -> None:
        self._call = None
        lines: list[str] = []
        came = went = 0
        for user_id, person in self._changed.items():
            before = self._told.pop(user_id, None)
            if person.user_status != Status.OFFLINE:
                self._told[user_id] = person
            word = _word(before, person)
            came += word == texts.CAME
            went += word == texts.WENT
            if word:
                lines.append(f"{self._wording.user(person)} {self._wording.say(word)}")
        self._changed.clear()
        many = len(lines) > MAX_SINGLE
        self._wait = GATHER_MANY if many else GATHER
        if many:
            summary = self._wording.say(texts.MANY_CHANGES)
            lines = [summary.format(came=came, went=went, online=self._online)]
        for line in lines:
            self._tell(line)


def _word(before: Person | None, now: Person) -> str:
    """What happened between two states of one person; empty if nothing did."""
    if now.user_status == Status.OFFLINE:
        return texts.WENT if before is not None else ""
    if before is None:
        return texts.CAME
    if before.user_status == now.user_status:
        return ""
    return texts.GOT_BUSY if now.user_status == Status.BUSY else texts.NOT_BUSY
