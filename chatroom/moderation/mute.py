"""Whether what a session says is taken."""

from __future__ import annotations

from chatroom.common.clock import Clock
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refusal
from chatroom.store.records import Sanction


class Mute:
    """Whether what a session says is taken; it is until something else is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refusal: Refusal | None = None
        self._ends = 0.0

    def follow(self, muted: Sanction | None) -> None:
        """What the store has of it now."""
        self._refusal = None if muted is None else refusals.muted(muted.until, muted.reason)
        self._ends = self._clock.seconds() + (0 if muted is None else muted.left)

    def refusal(self) -> Refusal | None:
        """What to answer to each message; None: it is taken."""
        if self._refusal is not None and self._clock.seconds() >= self._ends:
            self._refusal = None
        return self._refusal
