"""What a transport gives each session."""

from __future__ import annotations

from typing import Protocol

from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Codec


class Connection(Protocol):
    """A client's connection, whatever the transport."""

    outbox: Outbox
    #: The client's address, for limits, bans and the log.
    address: str
    #: Logs in a client that gives neither password nor token, and is never shown to it; may be
    #: empty.
    token: str
    #: Whether the original program's clients may come this way.
    takes_dialect_1: bool

    def speak(self, dialect: int) -> Codec:
        """How to encode for a client of that dialect; 0: it has not logged in yet.

        From a login on, the client's frames may be larger.
        """

    def pause(self) -> None:
        """Read no more frames until `resume`."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """Close, once what the outbox holds was sent."""

    def abort(self) -> None:
        """Close now."""
