"""The two dialects: which messages a client of each understands, and how they are put in frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from chatroom.wire import (
    MAX_FRAME_DIALECT_1,
    ErrorMes,
    LoginResMes,
    Message,
    NotifyUserStatusMes,
    PresenceMes,
    PrivateMes,
    RegisterResMes,
    SmsMes,
    Text,
    encode,
    frame,
)

#: Who speaks to a dialect 1 client when the server itself does: no account has this id.
SERVER_ID = 0

#: Encoded messages: each piece is given to the connection as one write.
Blob = tuple[bytes, ...]


class Codec(Protocol):
    """Encodes messages once for all sessions that share the codec."""

    def encode(self, messages: Sequence[Message]) -> Blob:
        """All of ``messages``, in order; nothing for those that the dialect does not know."""


class Dialect2:
    """This program's own dialect over TCP: what belongs together leaves as one write."""

    def encode(self, messages: Sequence[Message]) -> Blob:
        return (b"".join([frame(encode(message)) for message in messages]),) if messages else ()


class Dialect1:
    """The original program's. Its client knows four types, and reads each frame with one read."""

    def encode(self, messages: Sequence[Message]) -> Blob:
        return tuple(
            frame(encode(fitting))
            for message in messages
            for known in _in_dialect_1(message)
            for fitting in _fit(known)
        )


#: One of each serves all sessions, so that what is encoded for one can be given to all.
DIALECT_1 = Dialect1()
DIALECT_2 = Dialect2()


def _in_dialect_1(message: Message) -> Iterator[Message]:
    """The message in the types that the original client knows, or nothing."""
    match message:
        case LoginResMes() | RegisterResMes() | NotifyUserStatusMes():
            yield message
        case SmsMes():
            yield _sms(message, message.content)
        case PrivateMes():
            yield _sms(message, f"[私聊] {message.content}")
        case PresenceMes():
            for person in message.changes:
                yield NotifyUserStatusMes(user_id=person.user_id, status=person.user_status)
        case ErrorMes():
            # It has no type of its own for this, and would drop it; shown as a message, it is read.
            yield SmsMes(content=f"[系统] {message.error}", user_id=SERVER_ID, user_name="系统")


def _sms(message: Text, content: str) -> SmsMes:
    """The fields that the original knows, and no other."""
    return SmsMes(
        content=content,
        user_id=message.user_id,
        user_name=message.user_name,
        user_status=message.user_status,
        sex=message.sex,
    )


def _fits(message: Message) -> bool:
    return len(encode(message)) <= MAX_FRAME_DIALECT_1


def _fit(message: Message) -> Iterator[Message]:
    """The message in as many as it takes for each to fit the original client's buffer."""
    if _fits(message):
        yield message
    elif isinstance(message, SmsMes):
        middle = len(message.content) // 2
        for half in (message.content[:middle], message.content[middle:]):
            yield from _fit(replace(message, content=half))
    elif isinstance(message, LoginResMes) and message.users_id not in (UNSET, None):
        # As many as fit; the user's own id comes first, so it is always among them.
        ids = message.users_id
        while not _fits(message):
            ids = ids[: len(ids) * 9 // 10]
            message = replace(message, users_id=ids)
        yield message
