"""How far a client has come in each conversation: what it received, and what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from chatroom.common.clock import Clock, Timer, cancel
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import SEQ_ZERO, Resume, Seq

#: The largest second number that a ``seq`` can have on the wire.
_LAST: Final = 10**19 - 1
#: Conversations of which is said at once up to where they are read, and the seconds until the next
#: of them: a person reads no faster, and a server takes only so many messages.
AT_ONCE: Final = 3
BETWEEN: Final = 1.0


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


class Marks:
    """Confirms private messages, some at a time, and keeps up to where conversations are read.

    Neither `ReceivedMes` nor `ReadMes` is acknowledged: each login shows how much of them arrived,
    and the rest is said again.
    """

    def __init__(
        self,
        clock: Clock,
        delay: float,
        position: Position,
        send: Callable[[wire.Message], bool],
    ) -> None:
        """
        :param delay: for how long private messages are gathered before they are confirmed.
        :param send: sends a message; False where it can't be now.
        """
        self._clock = clock
        self._delay = delay
        self._position = position
        self._send = send
        self._timer: Timer | None = None
        #: Up to where the conversation with each user has been read.
        self.read: dict[int, Seq] = {}
        #: Of whom that is still to be said, and of whom it was said last.
        self._unsaid: dict[int, None] = {}
        self._said: list[int] = []
        self._saying: Timer | None = None

    def logged_in(self, received: Seq | None, read: dict[int, Seq]) -> None:
        """Compare with what the server knows, and say again what it does not."""
        inbox = self._position.inbox
        if inbox is not None and (received is None or inbox > received):
            self.arrived()
        for peer, seq in list(self.read.items()):
            if seq > read.get(peer, SEQ_ZERO):
                self._unsaid[peer] = None
        self._stop_saying()
        self._say()
        for peer, seq in read.items():
            self._raise(peer, seq)

    def arrived(self) -> None:
        """A private message has been shown: confirm it soon."""
        if self._timer is None:
            self._timer = self._clock.callLater(self._delay, self._confirm)

    def flush(self) -> None:
        """Confirm and say now what is still to be."""
        self._confirm()
        self._stop_saying()
        self._say(len(self._unsaid))

    def _confirm(self) -> None:
        if self._timer is None:
            return
        self._stop()
        self._send(wire.ReceivedMes(inbox=str(self._position.inbox)))

    def mark_read(self, peer: int, seq: Seq) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``."""
        if self._raise(peer, seq):
            self._unsaid[peer] = None
            self._say()

    def heard(self, mark: wire.ReadMes, seq: Seq) -> None:
        """Another of the person's devices has shown the conversation up to there."""
        self._raise(mark.peer, seq)

    def refused(self, wait: float) -> None:
        """What was said last of conversations came too fast: say it again, but not before."""
        self._unsaid = dict.fromkeys(self._said) | self._unsaid
        self._said.clear()
        self._stop_saying()
        self._saying = self._clock.callLater(wait, self._say_more)

    def clear(self) -> None:
        """The login has ended."""
        self._stop()
        self._stop_saying()
        self._unsaid.clear()
        self._said.clear()
        self.read.clear()

    def _say(self, most: int = AT_ONCE) -> None:
        """Say of some conversations up to where they are read, and of the others in a moment."""
        if self._saying is not None or not self._unsaid:
            return
        peers = list(self._unsaid)[:most]
        self._said = [
            peer for peer in peers if self._send(wire.ReadMes(peer=peer, seq=str(self.read[peer])))
        ]
        for peer in peers:
            del self._unsaid[peer]
        if self._said:
            self._saying = self._clock.callLater(BETWEEN, self._say_more)

    def _stop_saying(self) -> None:
        cancel(self._saying)
        self._saying = None

    def _say_more(self) -> None:
        self._saying = None
        self._say()

    def _raise(self, peer: int, seq: Seq) -> bool:
        if seq <= self.read.get(peer, SEQ_ZERO):
            return False
        self.read[peer] = seq
        return True

    def _stop(self) -> None:
        cancel(self._timer)
        self._timer = None
