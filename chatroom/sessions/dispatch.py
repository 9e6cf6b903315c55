"""From a frame to a command: decoding, the rate limits, the session's state, and running it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.counters import Count
from chatroom.protocol import codec, messages as wire, refusals
from chatroom.protocol.codec import WireError
from chatroom.protocol.messages import Code, Message
from chatroom.sessions.commands import COMMANDS, REFUSALS, Command
from chatroom.sessions.replies import id_of
from chatroom.sessions.session import Session, State

#: Bytes that a transport's own ping counts at least: as many as a `PingMes`, as it costs as much.
_PING_BYTES = len(codec.encode(wire.PingMes()))

_log = Logger()


def frame_received(session: Session, payload: bytes) -> None:
    """Run what one frame's payload asks for, or tell its sender why not. Never raises."""
    if session.state is State.CLOSED:
        return
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
    if command.needs is not None and command.needs is not session.state:
        session.count(Count.NOT_ALLOWED)
        session.refuse_message(message, REFUSALS[command.needs])
        return
    _run(session, command, message)


def ping_received(session: Session, payload: bytes) -> bool:
    """A ping or pong of the transport's own came; False: it is not to be answered."""
    if session.closed:
        return False
    wait = _wait(session, len(payload) + _PING_BYTES, costs=False)
    if wait:
        _too_fast(session, "PingMes", "", wait)
    return not wait


def frame_too_long(session: Session, length: int, limit: int) -> None:
    """A frame is too long: refuse it and close, as what follows can't be framed."""
    other = codec.other_protocol(length)
    session.count(Count.OTHER_PROTOCOL if other else Count.TOO_LONG)
    why = f"no {other} is spoken here" if other else f"a frame of {length} bytes"
    session.refuse(refusals.malformed(f"{why}: at most {limit}", Code.TOO_LARGE))
    session.close()


def _run(session: Session, command: Command, message: Message) -> None:
    """Do what a message asks for. Never raises."""
    try:
        running = command.run(session, message)
    except Exception:  # noqa: BLE001 - a fault of ours must not cost anybody the connection
        session.failed(Failure(), message)
        return
    if running is None:
        return
    if command.waits:
        session.hold()
    deferred = Deferred.fromCoroutine(running)
    deferred.addErrback(session.failed, message)
    if command.waits:
        deferred.addBoth(lambda _: session.release())


def _wait(session: Session, size: int, *, costs: bool) -> int:
    """Seconds that the sender of a frame has to wait; 0: it is accepted."""
    is_guest = session.state is not State.MEMBER
    return session.rate_limiter.wait(
        session.node.rate_limits,
        # About when it came: saves a look at the clock for each frame.
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
    """Tell the client to wait; disconnect it if it goes on all the same."""
    session.count(Count.TOO_FAST)
    if session.rate_limiter.ignores:
        session.count(Count.FLOODS_CLOSED)
        _log.info("Session {tag} of user {id} floods", tag=session.tag, id=session.user_id)
        session.refuse(refusals.flood(wait))
        session.close()
    elif session.dialect != 1 or session.rate_limiter.just_told:
        # An original client shows each as a line: a flood is not answered with a flood of lines.
        session.answer_refusal(type_name, message_id, refusals.too_many_frames(wait))
