"""What a node counts for its operator: each thing that was refused, and why. No I/O."""

from __future__ import annotations

from enum import StrEnum


class Count(StrEnum):
    """All that is counted, since the node's start; the values are what an operator reads."""

    #: Frames and messages that could not be read.
    MALFORMED = "malformed"
    #: Frames that were announced longer than they may be.
    TOO_LONG = "too long"
    #: Greetings of other protocols: HTTP, TLS, SSH.
    OTHER_PROTOCOL = "other protocol"
    #: Frames that the sender's state does not allow, such as a message before the login.
    NOT_ALLOWED = "not allowed"
    #: Frames that came too fast.
    TOO_FAST = "too fast"
    #: Sessions that were closed because they went on all the same.
    FLOODS_CLOSED = "floods closed"
    #: Connections that were turned away: too many of an address, or altogether.
    CONNECTIONS_REFUSED = "connections refused"
    #: Sessions that were closed because they read too slowly.
    SLOW_READERS = "slow readers"
    #: Logins that were refused: a wrong password or token, no such user, a ban, or too many before.
    LOGINS_FAILED = "logins failed"
