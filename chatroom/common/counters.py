"""The names of what a node counts for its operator: what was refused, and why."""

from __future__ import annotations

from enum import StrEnum


class Count(StrEnum):
    """Everything that is counted since the node's start; operators see the values."""

    #: Frames and messages that could not be decoded.
    MALFORMED = "malformed"
    #: Frames that were announced longer than they may be.
    TOO_LONG = "too long"
    #: Greetings of other protocols: HTTP, TLS, SSH.
    OTHER_PROTOCOL = "other protocol"
    #: Frames that the session's state does not allow, such as a message before the login.
    NOT_ALLOWED = "not allowed"
    #: Frames that came too fast.
    TOO_FAST = "too fast"
    #: Sessions that were closed because their client went on sending too fast.
    FLOODS_CLOSED = "floods closed"
    #: Connections that were turned away: too many from one address, or altogether.
    CONNECTIONS_REFUSED = "connections refused"
    #: Sessions that were closed because their client read too slowly.
    SLOW_READERS = "slow readers"
    #: Logins that were refused: a wrong password or token, no such user, a ban, too many failures.
    LOGINS_FAILED = "logins failed"
