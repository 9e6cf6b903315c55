"""Receipts and read marks: what the user's devices have received and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatroom.client.state.position import Position
from chatroom.common.clock import Clock, Timer
from chatroom.protocol import messages as wire

#: Conversations of which is said at once up to where they are read, and the seconds until the next
#: of them: a person reads no faster, and a server takes only so many messages.
AT_ONCE: Final = 3
BETWEEN: Final = 1.0


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
        self.read: dict[int, wire.Seq] = {}
        #: Of whom that is still to be said, and of whom it was said last.
        self._unsaid: dict[int, None] = {}
        self._said: list[int] = []
        self._saying: Timer | None = None

    def logged_in(self, received: wire.Seq | None, read: dict[int, wire.Seq]) -> None:
        """Compare with what the server knows, and say again what it does not."""
        inbox = self._position.inbox
        if inbox is not None and (received is None or inbox > received):
            self.arrived()
        for peer, seq in list(self.read.items()):
            if seq > read.get(peer, wire.SEQ_ZERO):
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

    def mark_read(self, peer: int, seq: wire.Seq) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``."""
        if self._raise(peer, seq):
            self._unsaid[peer] = None
            self._say()

    def heard(self, mark: wire.ReadMes, seq: wire.Seq) -> None:
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
        if self._saying is not None:
            self._saying.cancel()
            self._saying = None

    def _say_more(self) -> None:
        self._saying = None
        self._say()

    def _raise(self, peer: int, seq: wire.Seq) -> bool:
        if seq <= self.read.get(peer, wire.SEQ_ZERO):
            return False
        self.read[peer] = seq
        return True

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
