"""What a session answers: to a login, and when a message is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatroom.protocol import messages as wire
from chatroom.protocol import refusals
from chatroom.protocol.messages import Code, Message, Seq
from chatroom.protocol.refusals import Refusal
from chatroom.store.records import Outcome

if TYPE_CHECKING:
    from chatroom.node.node import Places
    from chatroom.sessions.session import Session

#: Most people that a login is told of; from so many on it asks for the pages that it shows.
MOST_PEOPLE = 499
#: Most conversations that a login is told the read mark of: those read last.
MOST_MARKS = 1000
#: Most ids that can fit into the original client's buffer: six bytes for each, comma included,
#: would be nearly all of it.
MOST_IDS = 1400
#: Why a message was not stored.
NOT_STORED = {
    Outcome.CONFLICT: refusals.OTHER_CONTENT,
    Outcome.NO_RECIPIENT: refusals.NO_RECIPIENT,
    Outcome.MAILBOX_FULL: refusals.MAILBOX_FULL,
    Outcome.SENDER_FULL: refusals.SENDER_FULL,
}


def login_answers(session: Session, places: Places) -> list[Message]:
    """`LoginResMes`, and behind it `ErrorMes` 410 where something is no longer held."""
    if session.dialect == 1:
        others = [
            person.user_id
            for person in session.node.roster.first(MOST_IDS)
            if person.user_id != session.user_id
        ]
        return [wire.LoginResMes(code=Code.OK, users_id=[session.user_id, *others])]
    mailbox, online = places.mailbox, len(session.node.roster)
    account = session.account
    answers: list[Message] = [
        wire.LoginResMes(
            code=Code.OK,
            user_name=account.name if account else "",
            # What the door has brought is none of the client's business: a page's script, say.
            token=UNSET if session.token == session.door.token else session.token,
            users=session.node.roster.first(online) if online <= MOST_PEOPLE else [],
            online=online,
            unread=mailbox.unread,
            rooms={name: str(room.position) for name, room in session.node.rooms.items()},
            inbox=str(mailbox.received),
            read=_newest_marks(mailbox.read),
        )
    ]
    if places.room_gaps or places.inbox_gap is not None:
        answers.append(
            wire.ErrorMes(
                code=Code.GONE,
                error="some of what came meanwhile is no longer held",
                rooms={name: str(seq) for name, seq in places.room_gaps.items()} or UNSET,
                inbox=UNSET if places.inbox_gap is None else str(places.inbox_gap),
            )
        )
    return answers


def _newest_marks(read: dict[int, Seq]) -> list[wire.ReadMark]:
    newest = sorted(read.items(), key=lambda mark: mark[1], reverse=True)[:MOST_MARKS]
    return [wire.ReadMark(peer=peer, seq=str(seq)) for peer, seq in newest]


def refusal_of(
    type_name: str | None, session: Session, refusal: Refusal, message_id: str
) -> Message | None:
    """The answer of its own that a refused message of that type has; None: `ErrorMes` it is."""
    code, words = refusal.code, session.words(refusal)
    wait = refusal.retry_after or UNSET
    until = UNSET if refusal.until is None else refusal.until
    reason, note = refusal.reason or UNSET, refusal.note or UNSET
    match type_name:
        case "LoginMes":
            answer = wire.LoginResMes(code=code, error=words, retry_after=wait, until=until)
            if session.dialect == 2:
                answer.reason, answer.note = reason, note
            else:
                answer.users_id = None
            return answer
        case "RegisterMes":
            # The original has one code for whatever else is wrong with a registration.
            if code in (Code.MALFORMED, Code.TOO_LARGE):
                code = Code.REGISTER_FAILED
            return wire.RegisterResMes(code=code, error=refusal.zh, retry_after=wait)
        case "PasswordMes":
            return wire.PasswordResMes(
                code=code,
                error=words,
                retry_after=wait,
                reason=reason,
                least=refusal.least or UNSET,
            )
        case "SmsMes" | "PrivateMes" if message_id and session.dialect == 2:
            return wire.AckMes(
                id=message_id,
                code=code,
                error=words,
                retry_after=wait,
                until=until,
                reason=reason,
                note=note,
            )
    return None
