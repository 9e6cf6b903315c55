"""From a member's message to the store, and the answer to it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.protocol import messages as wire, refusals
from chatroom.sessions.session import Session
from chatroom.store.records import Outcome, Post, Receipt

#: Why a message was not stored.
_NOT_STORED = {
    Outcome.CONFLICT: refusals.OTHER_CONTENT,
    Outcome.NO_RECIPIENT: refusals.NO_RECIPIENT,
    Outcome.MAILBOX_FULL: refusals.MAILBOX_FULL,
    Outcome.SENDER_FULL: refusals.SENDER_FULL,
}

_log = Logger()


def post_from(session: Session, message: wire.Text, to: int = 0) -> Post:
    """What is to be stored. The sender is the account that logged in, whatever the client wrote."""
    account = session.account
    assert account is not None, "only members send"
    return Post(
        user_id=account.user_id,
        name=account.name,
        status=session.node.presence.status_of(account),
        sex=account.sex,
        content=message.content,
        id=message.id or "",
        to=to,
        origin=session.tag,
    )


def answer_when_stored(
    session: Session, storing: Deferred[Receipt], message: wire.Text, room: str = ""
) -> None:
    """Tell the sender of a failure; the acknowledgement of a success comes with the stream."""
    session.node.backpressure.took(session)
    storing.addBoth(_settled, session, message, room)


def _settled(result: Receipt | Failure, session: Session, message: wire.Text, room: str) -> None:
    # Nothing is raised to the Deferred: an errback for each message would cost as much again.
    try:
        if not session.closed:
            _answer(result, session, message, room)
        # Last: what waits to be read is read at once, and may fill its share again.
        session.node.backpressure.answered(session)
    except Exception:  # noqa: BLE001 - a fault of ours must not cost anybody the connection
        _log.failure("Answering a message failed")


def _answer(result: Receipt | Failure, session: Session, message: wire.Text, room: str) -> None:
    if isinstance(result, Failure):
        session.failed(result, message)
    elif result.outcome is Outcome.DUPLICATE:
        # For a private message the bus brings it, in its place among the others.
        if room in session.feeds and message.id:
            session.feeds[room].acknowledge(result.seq, message.id, result.code, result.sent_at)
    elif result.outcome is not Outcome.STORED:
        session.refuse_message(message, _NOT_STORED[result.outcome])
