"""The login: who it is, where they are in each conversation, the answer, and what follows it."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from chatroom.conversations.room import RoomFeed
from chatroom.moderation.enforcement import objection
from chatroom.node.node import Node
from chatroom.protocol import messages as wire, refusals
from chatroom.protocol.messages import Code, Message, Seq
from chatroom.protocol.refusals import Refused
from chatroom.sessions.session import Session
from chatroom.store.records import Account, MailboxState

#: Most people that a login is told of; with more online, the client asks for the pages it shows.
MOST_PEOPLE = 499
#: Most conversations that a login is told the read mark of: those read last.
MOST_MARKS = 1000
#: Most ids that can fit into the original client's buffer: six bytes for each, comma included,
#: would be nearly all of it.
MOST_IDS = 1400


class ResumePoints(Struct):
    """Where a session that logs in begins in each conversation.

    A gap is the first place that is handed over where something before it is no longer held.
    """

    mailbox: MailboxState
    rooms: dict[str, Seq]
    room_gaps: dict[str, Seq]
    inbox_gap: Seq | None = None


async def log_in(session: Session, message: wire.LoginMes) -> None:
    """Check who it is, and make the session a member.

    :raises Refused: the answer to the client.
    :raises StoreUnavailable:
    """
    # The login tells which dialect the client speaks, and so in which one it is refused.
    connection = session.connection
    session.dialect = 2 if message.protocol or not connection.takes_dialect_1 else 1
    if session.dialect == 2 and message.protocol != 2:
        raise Refused(refusals.UNKNOWN_PROTOCOL)
    session.node.check_address(session.address)
    # The connection's own is not replaced here: whoever gave it that could not be told.
    own = "" if message.token or message.user_pwd else connection.token
    login = await session.cancelled_at_end(
        session.node.accounts.log_in(
            message.user_id,
            message.user_pwd,
            message.token or own,
            address=session.address,
            wants_token=session.dialect == 2 and not own,
        )
    )
    if not session.closed:
        await _enter(session, login.account, login.token or own, message)


async def _enter(session: Session, account: Account, token: str, login: wire.LoginMes) -> None:
    """Become a member: be online, be told where things stand, and then get what comes."""
    node = session.node
    session.identified(account, token)
    try:
        await node.log_in(session)
        points = await _resume_points(node, account.user_id, login.resume)
        await _check_again(session, login)
    except Exception:
        if not session.closed:
            node.logged_out(session)
            session.not_logged_in()
        raise
    if session.closed:
        return
    session.logged_in(*_answers(session, points))
    _follow(session, login, points)
    if not session.closed:
        node.sessions.logged_in(session)


async def _check_again(session: Session, login: wire.LoginMes) -> None:
    """Whether the account is still what it was when the login was checked.

    The store knows by now that the user is here: from here on, changes are told by the bus.

    :raises Refused: it was banned or deleted, or its password was changed.
    :raises StoreUnavailable:
    """
    account = await session.node.store.account(session.user_id)
    refusal = objection(session, account)
    if refusal is refusals.PASSWORD_CHANGED:
        refusal = refusals.WRONG_TOKEN if login.token else refusals.WRONG_PASSWORD
    if refusal is not None:
        raise Refused(refusal)
    if account is not None:
        session.mute.follow(account.muted)


# ---------------------------------------------------------------- where it begins


async def _resume_points(node: Node, user_id: int, resume: wire.Resume | UnsetType) -> ResumePoints:
    mailbox = await node.store.mailbox_state(user_id)
    points = ResumePoints(mailbox=mailbox, rooms={}, room_gaps={})
    if resume:
        for name, text in resume.rooms.items():
            if name in node.rooms:
                await _resume_room(node, points, name, Seq.parse(text))
        if resume.inbox:
            await _resume_inbox(node, points, user_id, Seq.parse(resume.inbox))
    for name, room in node.rooms.items():
        points.rooms.setdefault(name, room.position)
    return points


async def _resume_room(node: Node, points: ResumePoints, name: str, cursor: Seq) -> None:
    state = await node.store.room_state(name)
    newest = max(state.newest, node.rooms[name].position)
    kept, lost = node.rooms[name].lost
    if kept < cursor <= lost and not await _is_held(node, name, cursor):
        # The store has lost this message, and may have given out places before it since.
        newest = kept
    if cursor > newest:
        # The client knows of messages that the store does not: it failed over to a replica that
        # did not have them yet, or an old backup was put back.
        points.room_gaps[name] = Seq(newest.ms, newest.n + 1)
        cursor = newest
    elif cursor < state.trimmed:
        first = await node.store.room_after(name, state.trimmed, 1)
        points.room_gaps[name] = first[0].seq if first else state.trimmed
        cursor = state.trimmed
    points.rooms[name] = cursor


async def _is_held(node: Node, name: str, place: Seq) -> bool:
    before = Seq(place.ms, place.n - 1) if place.n else Seq(place.ms - 1, 2**64 - 1)
    return [entry.seq for entry in await node.store.room_after(name, before, 1)] == [place]


async def _resume_inbox(node: Node, points: ResumePoints, user_id: int, cursor: Seq) -> None:
    mailbox = points.mailbox
    if cursor > mailbox.newest:
        points.inbox_gap = Seq(mailbox.newest.ms, mailbox.newest.n + 1)
    elif cursor < mailbox.trimmed:
        first = await node.store.mailbox_after(user_id, mailbox.trimmed, 1)
        points.inbox_gap = first[0].seq if first else mailbox.trimmed


# ---------------------------------------------------------------- the answer, and what follows


def _answers(session: Session, points: ResumePoints) -> list[Message]:
    """`LoginResMes`, and behind it `ErrorMes` 410 where something is no longer held."""
    roster = session.node.presence.roster
    if session.dialect == 1:
        people = roster.first(MOST_IDS)
        others = [person.user_id for person in people if person.user_id != session.user_id]
        return [wire.LoginResMes(code=Code.OK, users_id=[session.user_id, *others])]
    mailbox, online, account = points.mailbox, len(roster), session.account
    answers: list[Message] = [
        wire.LoginResMes(
            code=Code.OK,
            user_name=account.name if account else "",
            # The connection's own is not for the client to see: it may be a page's script.
            token=UNSET if session.token == session.connection.token else session.token,
            users=roster.first(online) if online <= MOST_PEOPLE else [],
            online=online,
            unread=mailbox.unread,
            rooms={name: str(room.position) for name, room in session.node.rooms.items()},
            inbox=str(mailbox.received),
            read=_newest_marks(mailbox.read),
        )
    ]
    if points.room_gaps or points.inbox_gap is not None:
        answers.append(
            wire.ErrorMes(
                code=Code.GONE,
                error="some of what came meanwhile is no longer held",
                rooms={name: str(seq) for name, seq in points.room_gaps.items()} or UNSET,
                inbox=UNSET if points.inbox_gap is None else str(points.inbox_gap),
            )
        )
    return answers


def _newest_marks(read: dict[int, Seq]) -> list[wire.ReadMark]:
    newest = sorted(read.items(), key=lambda mark: mark[1], reverse=True)[:MOST_MARKS]
    return [wire.ReadMark(peer=peer, seq=str(seq)) for peer, seq in newest]


def _follow(session: Session, login: wire.LoginMes, points: ResumePoints) -> None:
    """Start the feeds, each from its place."""
    node, inbox, mailbox = session.node, session.inbox, points.mailbox
    assert inbox is not None, "made when it was known who it is"
    for name, cursor in points.rooms.items():
        if session.closed:
            # It did not even take the answer.
            return
        feed = RoomFeed(session, node.store, node.clock, node.rooms[name], cursor)
        session.feeds[name] = feed
        feed.follow()
    if login.resume and login.resume.inbox:
        cursor = max(min(Seq.parse(login.resume.inbox), mailbox.newest), mailbox.trimmed)
        inbox.start(cursor, mailbox.newest, own_after=wire.SEQ_ZERO)
        if cursor > mailbox.received:
            # It has what it comes back with, though its word for that may have been lost.
            inbox.confirm(cursor)
    else:
        inbox.start(mailbox.received, mailbox.newest, own_after=mailbox.newest)
