"""The newest place that a client has received in each conversation, with no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from chatroom.protocol.messages import SEQ_ZERO, Resume, Seq

#: The largest second number that a ``seq`` can have on the wire.
_LAST: Final = 10**19 - 1


def just_before(seq: Seq) -> Seq:
    """The greatest place that is less than ``seq``; before all messages there is none."""
    if seq.n > 0:
        return Seq(seq.ms, seq.n - 1)
    return Seq(seq.ms - 1, _LAST) if seq.ms > 0 else SEQ_ZERO


@dataclass
class Position:
    """The newest ``seq`` that was got of each room and of the inbox.

    It is what a client resumes from; keep a `copy` of it, or its JSON (`msgspec.json`), to resume
    after a restart.
    """

    rooms: dict[str, Seq] = field(default_factory=dict)
    #: None until the first login says where the mailbox stands.
    inbox: Seq | None = None

    def copy(self) -> Position:
        """The same place, which no longer moves."""
        return Position(dict(self.rooms), self.inbox)

    def clear(self) -> None:
        """Forget everything: another user logs in."""
        self.rooms.clear()
        self.inbox = None

    def took(self, room: str | None, seq: Seq) -> bool:
        """Move on to ``seq``; False where it is not newer, so that it was here before.

        :param room: None is the inbox.
        """
        newest = self.inbox if room is None else self.rooms.get(room)
        if newest is not None and seq <= newest:
            return False
        self._set(room, seq)
        return True

    def adopt(self, rooms: dict[str, Seq], inbox: Seq | None) -> None:
        """Begin where the server stands, in every conversation that has no position yet."""
        for room, seq in rooms.items():
            self.rooms.setdefault(room, seq)
        if self.inbox is None:
            self.inbox = inbox

    def restart(self, room: str | None, oldest: Seq) -> None:
        """Go to just before ``oldest``, be it forward or back, so that it is the next one.

        :param room: None is the inbox.
        """
        self._set(room, just_before(oldest))

    def resume(self) -> Resume | None:
        """What a `LoginMes` says to go on from here; None where there is nothing to go on from."""
        if not self.rooms and self.inbox is None:
            return None
        return Resume(
            rooms={room: str(seq) for room, seq in self.rooms.items()},
            inbox=UNSET if self.inbox is None else str(self.inbox),
        )

    def _set(self, room: str | None, seq: Seq) -> None:
        if room is None:
            self.inbox = seq
        else:
            self.rooms[room] = seq
