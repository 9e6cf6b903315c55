"""The states of a session, and what each kind of command needs.

GUEST -> ENTERING -> MEMBER, back to GUEST where entering fails, and to CLOSED from everywhere.
"""

from __future__ import annotations

from enum import Enum

from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refusal


class State(Enum):
    """The state of a session."""

    GUEST = "connected, not logged in"
    ENTERING = "identified, its login not answered yet"
    MEMBER = "logged in"
    CLOSED = "ended: nothing is read from it any more"


def anybody(state: State) -> Refusal | None:  # noqa: ARG001  # has the shape of the others
    """Needs nothing."""
    return None


def guest(state: State) -> Refusal | None:
    """Needs a client that is not logged in."""
    return None if state is State.GUEST else refusals.LOGGED_IN_ALREADY


def member(state: State) -> Refusal | None:
    """Needs a client that is logged in."""
    return None if state is State.MEMBER else refusals.NOT_LOGGED_IN
