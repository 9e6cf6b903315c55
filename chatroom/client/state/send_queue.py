"""Messages to send, how fast, and those sent that have no outcome yet, with no I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred

from chatroom.client.base.errors import LATER, SendRefused
from chatroom.client.base.model import Sent
from chatroom.client.base.timing import Backoff, Timing
from chatroom.common.clock import Clock, Timer, cancel
from chatroom.common.waiting import Waiters
from chatroom.protocol.messages import Code, Seq

#: Most messages unanswered at a time: the protocol's number.
WINDOW: Final = 100
#: What is tried of the rate at which a server was seen to take messages: all of it would be
#: refused again soon.
CAUTION: Final = 0.9
#: By how much the rate grows with each message that was taken. A server that takes five a second
#: then refuses one every few seconds, and not half of them.
GROWTH: Final = 1.01
#: Slowest rate, in messages a second.
LEAST: Final = 1.0
#: Seconds without a refusal after which the rate is forgotten: the server has let everything
#: through for long, and has room for many at once again.
FORGET: Final = 60.0


class SendRate:
    """As fast as can be until the server refuses; then at about the rate that it took.

    Between two refusals the server took as many messages as it lets through in that time: so the
    second one tells its rate, whatever it is.
    """

    def __init__(self) -> None:
        #: Messages a second; None: nothing was refused lately.
        self.rate: float | None = None
        self._taken = 0
        self._refused_at: float | None = None
        self._next_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next message may be sent."""
        if self._refused_at is not None and now - self._refused_at > FORGET:
            self.rate = self._refused_at = None
        return 0.0 if self.rate is None else max(0.0, self._next_at - now)

    def sent(self, now: float) -> None:
        """A message was sent."""
        if self.rate is not None:
            self._next_at = max(self._next_at, now) + 1 / self.rate

    def taken(self) -> None:
        """The server has stored a message."""
        self._taken += 1
        if self.rate is not None:
            self.rate *= GROWTH

    def refused(self, now: float, wait: float) -> None:
        """A message was refused as too fast, for the first time since all that waited was sent.

        :param wait: seconds that the server said to wait.
        """
        since = wait if self._refused_at is None else now - self._refused_at
        self.rate = max(LEAST, CAUTION * self._taken / max(since, wait, 1.0))
        self._refused_at, self._taken = now, 0
        self._next_at = now + wait


@dataclass(eq=False, slots=True)
class _Entry:
    id: str
    #: Where it goes: a room's name, None for a private message.
    room: str | None
    payload: bytes
    ordinal: int
    deferred: Deferred[Sent]
    #: When it was written to the connection that is up; None: it waits to be.
    sent_at: float | None = None
    #: An earlier try may have been stored: it ended with no answer, or with 505.
    uncertain: bool = False


class SendQueue:
    """Sends in order, keeps what is unanswered, and sends it again until it is settled.

    The window is counted from the oldest unsettled message, not by those under way: so a message
    that has to be tried for long is never overtaken by more than the server remembers ids of.
    """

    def __init__(
        self,
        clock: Clock,
        timing: Timing,
        chance: Callable[[], float],
        overdue: Callable[[], None],
    ) -> None:
        """
        :param chance: a random number from 0 to 1, for the pause before a new try.
        :param overdue: called when the server leaves messages unanswered for too long.
        """
        self._clock = clock
        self._timing = timing
        self._overdue = overdue
        # Not a plain dict: taking from its front over and over costs more and more.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._next_ordinal = 0
        self._write: Callable[[bytes], None] | None = None
        self._held: Timer | None = None
        #: The server itself said for how long to send nothing.
        self._told_to_wait = False
        self._backoff = Backoff(timing, chance, timing.resend_most)
        self._rate = SendRate()
        self._next_send: Timer | None = None
        self._watch: Timer | None = None
        self._moved_at = 0.0
        self._empty = Waiters()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, message_id: str, room: str | None, payload: bytes) -> Deferred[Sent]:
        """Send a message when its turn comes.

        :returns: fires when the server has stored it; fails with `SendRefused`. Cancelled, the
            message is not sent again; it may have been stored.
        """
        deferred: Deferred[Sent] = Deferred(lambda _: self._cancelled(entry))
        entry = _Entry(message_id, room, payload, self._next_ordinal, deferred)
        self._next_ordinal += 1
        self._entries[message_id] = entry
        self._pump()
        return deferred

    def open(self, write: Callable[[bytes], None]) -> None:
        """A logged-in connection is there: send again what is unanswered, then the rest."""
        self._write = write
        if self._held is not None and not self._told_to_wait:
            # The server that could not take it is another one now, or well again.
            self._held.cancel()
            self._held = None
        self._pump()

    def shut(self) -> None:
        """The connection is gone: what was under way on it has no answer."""
        self._write = None
        for entry in list(self._entries.values()):
            if entry.sent_at is None:
                continue
            entry.sent_at = None
            entry.uncertain = True
            if entry.deferred.called:
                del self._entries[entry.id]
        self._check_empty()

    def room_of(self, message_id: str) -> str | None:
        """The room that an unsettled message goes to; None: it is private."""
        return self._entries[message_id].room

    def touched(self) -> None:
        """The server is delivering, so acknowledgements are on their way in their place."""
        self._moved_at = self._clock.seconds()

    def settle(self, message_id: str, seq: Seq, code: int) -> bool:
        """The message is stored; False where it was not waited for."""
        entry = self._entries.pop(message_id, None)
        if entry is None:
            return False
        self._backoff.reset()
        self._rate.taken()
        self._pump()
        if not entry.deferred.called:
            entry.deferred.callback(Sent(message_id, seq, code))
        self._check_empty()
        return True

    def refuse(self, message_id: str, error: SendRefused) -> None:
        """The message was not taken, this time or for good."""
        entry = self._entries.get(message_id)
        if entry is None:
            return
        if error.code not in LATER or entry.deferred.called:
            del self._entries[message_id]
            self._pump()
            if not entry.deferred.called:
                error.uncertain = entry.uncertain
                entry.deferred.errback(error)
            self._check_empty()
            return
        entry.sent_at = None
        entry.uncertain = entry.uncertain or error.code == Code.UNAVAILABLE
        self.hold(error.retry_after, too_fast=error.code == Code.TOO_FAST)

    def fail_all(self, error: Exception) -> None:
        """None of them will get an outcome any more."""
        entries = list(self._entries.values())
        self._entries.clear()
        for timer in (self._held, self._next_send, self._watch):
            cancel(timer)
        self._held = self._next_send = self._watch = None
        self._backoff.reset()
        for entry in entries:
            if not entry.deferred.called:
                entry.deferred.errback(error)
        self._check_empty()

    def when_empty(self) -> Deferred[None]:
        """Fires when everything is settled."""
        return self._empty.wait(over=not self._entries)

    # ------------------------------------------------------------ inside

    def _pump(self) -> None:
        """Write what may be written: in order, as far as the window goes, and at its pace."""
        if self._write is None or self._held is not None or self._next_send is not None:
            return
        now = self._clock.seconds()
        end: int | None = None
        for entry in self._entries.values():
            if end is None:
                end = entry.ordinal + WINDOW
            if entry.ordinal >= end:
                break
            if entry.sent_at is None:
                wait = self._rate.wait(now)
                if wait > 0:
                    self._next_send = self._clock.callLater(wait, self._go_on)
                    break
                self._rate.sent(now)
                entry.sent_at = now
                self._write(entry.payload)
        if self._watch is None and self._entries:
            self._watch = self._clock.callLater(self._timing.acknowledgement, self._look)

    def hold(self, retry_after: float | None, *, too_fast: bool) -> None:
        """Write nothing for a while, then try again in the order given.

        :param too_fast: the server refused something because it came too fast.
        """
        pause = retry_after
        if too_fast and not self._told_to_wait:
            # All that was on its way behind it is refused as well, and counts as one refusal.
            self._rate.refused(self._clock.seconds(), retry_after or 1.0)
        if pause is not None:
            self._told_to_wait = True
        elif self._held is not None:
            return  # one wave of refusals counts once
        else:
            self._told_to_wait = False
            pause = self._backoff.next()
        if self._held is not None:
            pause = max(pause, self._held.getTime() - self._clock.seconds())
            self._held.cancel()
        self._held = self._clock.callLater(pause, self._release)

    def _release(self) -> None:
        self._held = None
        self._told_to_wait = False
        self._pump()

    def _go_on(self) -> None:
        self._next_send = None
        self._pump()

    def _look(self) -> None:
        """Check that the server still acknowledges: it may be frozen."""
        self._watch = None
        waiting = [e.sent_at for e in self._entries.values() if e.sent_at is not None]
        if not waiting:
            return
        due = max(min(waiting), self._moved_at) + self._timing.acknowledgement
        if due <= self._clock.seconds():
            self._overdue()
        else:
            self._watch = self._clock.callLater(due - self._clock.seconds(), self._look)

    def _cancelled(self, entry: _Entry) -> None:
        # What is under way keeps its place until it is answered: it counts as unanswered.
        if entry.sent_at is None and self._entries.pop(entry.id, None) is not None:
            self._pump()
            self._check_empty()

    def _check_empty(self) -> None:
        if not self._entries:
            self._empty.fire()
