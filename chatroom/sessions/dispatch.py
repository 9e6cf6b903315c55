"""What a frame meets before it becomes a command: the codec, the limits, the session's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from chatroom.common.counters import Count
from chatroom.protocol import codec, refusals
from chatroom.protocol import messages as wire
from chatroom.protocol.codec import WireError
from chatroom.protocol.messages import Code, Message
from chatroom.sessions.commands import COMMANDS
from chatroom.sessions.states import State

if TYPE_CHECKING:
    from chatroom.sessions.session import Session

#: What such a ping counts at least, in bytes: as much as one of ours. It costs as much to handle.
_PING_BYTES = len(codec.encode(wire.PingMes()))

_log = Logger()


def take(session: Session, payload: bytes) -> None:
    """Run what one frame's payload asks for, or tell its sender why not."""
    try:
        message = codec.decode(payload)
    except WireError as error:
        _malformed(session, error, len(payload))
        return
    command = COMMANDS.get(type(message))
    costs = command is None or command.costs
    wait = _wait(session, len(payload), costs=costs)
    if wait:
        _too_fast(session, type(message).__name__, id_of(message), wait)
        return
    if command is None:
        name = type(message).__name__
        session.count(Count.NOT_ALLOWED)
        session.answer_refusal(name, "", refusals.malformed(f"{name} is not for a server"))
        return
    refusal = command.needs(session.state)
    if refusal is not None:
        session.count(Count.NOT_ALLOWED)
        session.refuse_message(message, refusal)
        return
    session.run(command, message)


def take_ping(session: Session, size: int) -> bool:
    """Take a ping or pong of the door's own kind into account; False: it came too fast.

    :param size: of what it holds, in bytes.
    """
    wait = _wait(session, size + _PING_BYTES, costs=False)
    if wait:
        _too_fast(session, "PingMes", "", wait)
    return not wait


def too_long(session: Session, length: int, limit: int) -> None:
    """A frame was announced that is longer than may be; what follows can't be framed."""
    other = codec.other_protocol(length)
    session.count(Count.OTHER_PROTOCOL if other else Count.TOO_LONG)
    why = f"no {other} is spoken here" if other else f"a frame of {length} bytes"
    session.refuse(refusals.malformed(f"{why}: at most {limit}", Code.TOO_LARGE))
    session.close()


def id_of(message: Message) -> str:
    """The sender's own name for a message; empty where it has none."""
    return message.id if isinstance(message, wire.Text) and message.id else ""


def _wait(session: Session, size: int, *, costs: bool) -> int:
    """Seconds that the sender of a frame has to wait; 0: it may be taken."""
    is_guest = session.state is not State.MEMBER
    return session.rate_limiter.wait(
        session.node.rate_limits,
        # When it came, near enough: no look at the clock for each frame.
        session.heard_at,
        size,
        costs or is_guest,
        0 if is_guest else session.user_id,
    )


def _malformed(session: Session, error: WireError, size: int) -> None:
    message_id = error.message_id or ""
    wait = 0 if error.fatal else _wait(session, size, costs=True)
    if wait:
        _too_fast(session, error.type_name, message_id, wait)
        return
    session.count(Count.MALFORMED)
    refusal = refusals.malformed(str(error), error.code)
    session.answer_refusal(error.type_name, message_id, refusal)
    if error.fatal:
        session.close()


def _too_fast(session: Session, type_name: str | None, message_id: str, wait: int) -> None:
    """Tell the client to wait; close once it has gone on for long all the same."""
    session.count(Count.TOO_FAST)
    if session.rate_limiter.ignores:
        session.count(Count.FLOODS_CLOSED)
        _log.info("Session {tag} of user {id} floods", tag=session.tag, id=session.user_id)
        session.refuse(refusals.flood(wait))
        session.close()
    elif session.dialect != 1 or session.rate_limiter.just_told:
        # To an original client each is a line on the screen: no flood of them to answer a flood.
        session.answer_refusal(type_name, message_id, refusals.too_many_frames(wait))
