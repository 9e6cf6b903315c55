"""What the person's devices have got and seen, and telling the server of it."""

from __future__ import annotations

from collections.abc import Callable

from chatroom import wire
from chatroom.client.interfaces import Clock, Timer
from chatroom.client.position import Position


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

    def logged_in(self, received: wire.Seq | None, read: dict[int, wire.Seq]) -> None:
        """Compare with what the server knows, and say again what it does not."""
        inbox = self._position.inbox
        if inbox is not None and (received is None or inbox > received):
            self.arrived()
        for peer, seq in list(self.read.items()):
            if seq > read.get(peer, wire.SEQ_ZERO):
                self._send(wire.ReadMes(peer=peer, seq=str(seq)))
        for peer, seq in read.items():
            self._raise(peer, seq)

    def arrived(self) -> None:
        """A private message has been shown: confirm it soon."""
        if self._timer is None:
            self._timer = self._clock.callLater(self._delay, self.flush)

    def flush(self) -> None:
        """Confirm now what is still to be confirmed."""
        if self._timer is None:
            return
        self._stop()
        self._send(wire.ReceivedMes(inbox=str(self._position.inbox)))

    def mark_read(self, peer: int, seq: wire.Seq) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``."""
        if self._raise(peer, seq):
            self._send(wire.ReadMes(peer=peer, seq=str(seq)))

    def heard(self, mark: wire.ReadMes, seq: wire.Seq) -> None:
        """Another of the person's devices has shown the conversation up to there."""
        self._raise(mark.peer, seq)

    def clear(self) -> None:
        """Nobody is logged in any more."""
        self._stop()
        self.read.clear()

    def _raise(self, peer: int, seq: wire.Seq) -> bool:
        if seq <= self.read.get(peer, wire.SEQ_ZERO):
            return False
        self.read[peer] = seq
        return True

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
