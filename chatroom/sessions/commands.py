"""The table of commands: what each message needs, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.conversations.rendering import text_from
from chatroom.protocol import codec, messages as wire, refusals
from chatroom.protocol.messages import Code, Message, Seq
from chatroom.protocol.refusals import Refused
from chatroom.sessions import login
from chatroom.sessions.session import Session, State
from chatroom.store.records import Outcome, Page, Post, Receipt

#: A command is done at once (None), or goes on as a coroutine.
Running = Coroutine[Deferred[Any], Any, None]

#: What to answer where the session is not in the state that a command needs.
REFUSALS = {
    State.GUEST: refusals.LOGGED_IN_ALREADY,
    State.MEMBER: refusals.NOT_LOGGED_IN,
}
#: Why a message was not stored.
_NOT_STORED = {
    Outcome.CONFLICT: refusals.OTHER_CONTENT,
    Outcome.NO_RECIPIENT: refusals.NO_RECIPIENT,
    Outcome.MAILBOX_FULL: refusals.MAILBOX_FULL,
    Outcome.SENDER_FULL: refusals.SENDER_FULL,
}

_log = Logger()


class Command(NamedTuple):
    """One row of the table."""

    run: Callable[[Session, Any], Running | None]
    #: The state that the session has to be in; None: any.
    needs: State | None
    #: Whether the frames that follow it wait for its answer.
    waits: bool = False
    #: Whether it counts against a member's rate limit; every frame of a guest does.
    costs: bool = True


async def _register(session: Session, message: wire.RegisterMes) -> None:
    session.node.check_address(session.address)
    await session.cancelled_at_end(
        session.node.accounts.register(message.user, session.address, message.invite or "")
    )
    session.send(wire.RegisterResMes(code=Code.OK))


def _sms(session: Session, message: wire.SmsMes) -> None:
    room = message.room or wire.LOBBY
    if (refusal := session.mute.refusal()) is not None:
        session.refuse_message(message, refusal)
        return
    if room not in session.node.rooms:
        session.refuse_message(message, refusals.NO_ROOM)
        return
    post = _post_from(session, message)
    storing = session.node.store.append_to_room(room, post)
    _answer_when_stored(session, storing, message, room)


def _private(session: Session, message: wire.PrivateMes) -> None:
    if (refusal := session.mute.refusal()) is not None:
        session.refuse_message(message, refusal)
        return
    post = _post_from(session, message, message.to_user_id or 0)
    _answer_when_stored(session, session.node.store.append_private(post), message)


def _post_from(session: Session, message: wire.Text, to: int = 0) -> Post:
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


def _answer_when_stored(
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


def _received(session: Session, message: wire.ReceivedMes) -> None:
    if session.inbox is not None:
        session.inbox.confirm(Seq.parse(message.inbox))


async def _read(session: Session, message: wire.ReadMes) -> None:
    place = Seq.parse(message.seq)
    await session.node.store.mark_read(session.user_id, message.peer, place, session.tag)


def _users(session: Session, message: wire.UsersMes) -> None:
    roster = session.node.presence.roster
    people, following = roster.page(message.after, min(message.limit, wire.MAX_USERS))
    online = len(roster)
    session.send(wire.UsersResMes(users=people, online=online, next=following))


async def _status(session: Session, message: wire.StatusMes) -> None:
    await session.node.store.set_status(session.user_id, message.status)


async def _history(session: Session, message: wire.HistoryMes) -> None:
    store = session.node.store
    before = Seq.parse(message.before) if message.before else None
    limit = min(message.limit, wire.MAX_HISTORY)
    if message.peer:
        page = await store.mailbox_before(session.user_id, message.peer, before, limit)
        if not page.entries and before is None and await store.account(message.peer) is None:
            # No such user: the client can say so before something is written to them.
            raise Refused(refusals.NO_RECIPIENT)
        room = ""
    else:
        room = message.room or wire.LOBBY
        if room not in session.node.rooms:
            raise Refused(refusals.NO_ROOM)
        page = await store.room_before(room, before, limit)
    texts = [text_from(entry, room) for entry in page.entries]
    session.send(_history_answer(message, limit, texts, page))


def _history_answer(
    message: wire.HistoryMes, limit: int, texts: list[wire.Text], page: Page
) -> wire.HistoryResMes:
    """As much of the page as fits into one frame: its newest messages."""
    size, first = 1024, len(texts)
    while first > 0:
        size += len(codec.encode(texts[first - 1]))
        if size > wire.MAX_SERVER_FRAME:
            break
        first -= 1
    return wire.HistoryResMes(
        messages=texts[first:],
        more=page.more or first > 0,
        limit=limit,
        room=message.room,
        peer=message.peer,
        before=message.before,
    )


async def _password(session: Session, message: wire.PasswordMes) -> None:
    await session.node.accounts.change_password(
        session.user_id,
        message.user_pwd,
        message.new_pwd,
        address=session.address,
        keep=session.token,
        except_session=session.tag,
    )
    if session.account is not None:
        # This session stays logged in; all others end.
        session.account.generation += 1
    session.send(wire.PasswordResMes(code=Code.OK))


async def _log_out(session: Session, message: wire.LogoutMes) -> None:  # noqa: ARG001
    if session.token:
        await session.node.accounts.tokens.forget(session.token)
    session.close()


def _ping(session: Session, message: wire.PingMes) -> None:  # noqa: ARG001
    session.send(wire.PongMes())


def _pong(session: Session, message: wire.PongMes) -> None:
    """Nothing to do: the session has been heard."""


COMMANDS: dict[type[Message], Command] = {
    wire.RegisterMes: Command(_register, None, waits=True, costs=False),
    wire.LoginMes: Command(login.log_in, State.GUEST, waits=True, costs=False),
    wire.PingMes: Command(_ping, None, costs=False),
    wire.PongMes: Command(_pong, None, costs=False),
    wire.SmsMes: Command(_sms, State.MEMBER),
    wire.PrivateMes: Command(_private, State.MEMBER),
    wire.ReceivedMes: Command(_received, State.MEMBER, costs=False),
    wire.ReadMes: Command(_read, State.MEMBER),
    wire.UsersMes: Command(_users, State.MEMBER),
    wire.StatusMes: Command(_status, State.MEMBER, waits=True),
    wire.HistoryMes: Command(_history, State.MEMBER, waits=True),
    wire.PasswordMes: Command(_password, State.MEMBER, waits=True),
    wire.LogoutMes: Command(_log_out, State.MEMBER, waits=True, costs=False),
}
