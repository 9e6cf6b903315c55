"""The two dialects: the messages that their clients understand, and how they are framed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from chatroom.protocol import messages as wire
from chatroom.protocol.codec import encode, frame
from chatroom.protocol.display_names import MAX_NAME
from chatroom.protocol.messages import (
    DELETED_NAME,
    MAX_CONTENT,
    MAX_FRAME_DIALECT_1,
    MAX_SEX,
    ErrorMes,
    LoginResMes,
    Message,
    NotifyUserStatusMes,
    PresenceMes,
    PrivateMes,
    RegisterResMes,
    SmsMes,
    Text,
)

#: Names that the server gives, as dialect 1 has them.
_SERVER_NAME = "系统"
_DELETED_NAME = "已注销用户"

#: Encoded messages; each piece is one write to the connection.
Blob = tuple[bytes, ...]


class Codec(Protocol):
    """Encodes messages once for all sessions that share the codec."""

    def encode(self, messages: Sequence[Message]) -> Blob:
        """Encode ``messages`` in order, leaving out those that the dialect does not know."""

    def join(self, blobs: Sequence[Blob]) -> Blob:
        """Join what was encoded one by one, as if it had been encoded together."""


class Dialect2:
    """This program's own dialect: messages encoded together are one write.

    :param frame: puts an encoded message in a frame of the transport's kind.
    """

    def __init__(self, frame: Callable[[bytes], bytes] = frame) -> None:
        self._frame = frame

    def encode(self, messages: Sequence[Message]) -> Blob:
        frame = self._frame
        if len(messages) == 1:
            return (frame(encode(messages[0])),)
        return (b"".join([frame(encode(message)) for message in messages]),) if messages else ()

    def join(self, blobs: Sequence[Blob]) -> Blob:
        return (b"".join([piece for blob in blobs for piece in blob]),) if blobs else ()


class Dialect1:
    """The original program's. Its client knows four types, and reads each frame with one read."""

    def encode(self, messages: Sequence[Message]) -> Blob:
        return tuple(
            frame(encode(known)) for message in messages for known in _in_dialect_1(message)
        )

    def join(self, blobs: Sequence[Blob]) -> Blob:
        return tuple(piece for blob in blobs for piece in blob)


#: All sessions of a dialect share one codec, so what is encoded for one can be sent to all.
DIALECT_1 = Dialect1()
DIALECT_2 = Dialect2()


def _in_dialect_1(message: Message) -> Iterator[Message]:
    """The message in the types that the original client knows, or nothing."""
    match message:
        case LoginResMes():
            yield _cut_to_fit(message)
        case RegisterResMes() | NotifyUserStatusMes():
            yield message
        case SmsMes(user_id=wire.SERVER_ID, user_name=wire.SERVER_NAME):
            yield from _from_server(message.content)
        case SmsMes():
            yield from _split_to_fit(message, "")
        case PrivateMes():
            yield from _split_to_fit(message, "[私聊] ")
        case PresenceMes():
            for person in message.changes:
                yield NotifyUserStatusMes(user_id=person.user_id, status=person.user_status)
        case ErrorMes():
            # The original client has no type for this and would drop it; it does show messages.
            yield from _from_server(message.error.replace("\0", "")[:MAX_CONTENT])


def _from_server(words: str) -> Iterator[SmsMes]:
    message = SmsMes(content=words, user_id=wire.SERVER_ID, user_name=_SERVER_NAME)
    return _split_to_fit(message, "[系统] ")


def _fits(message: Message) -> bool:
    return len(encode(message)) <= MAX_FRAME_DIALECT_1


def _split_to_fit(message: Text, mark: str) -> Iterator[SmsMes]:
    """The message, cut into as many as it takes for each to fit, each with ``mark`` before it.

    They have only the fields that the original client knows.
    """
    if len(mark) + len(message.content) <= MAX_CONTENT:
        sms = SmsMes(
            content=mark + message.content,
            user_id=message.user_id,
            # Names that the original program took can be as long as a frame.
            user_name=_DELETED_NAME
            if message.user_name == DELETED_NAME
            else message.user_name[:MAX_NAME],
            user_status=message.user_status,
            sex=message.sex[:MAX_SEX],
        )
        if _fits(sms):
            yield sms
            return
    middle = len(message.content) // 2
    for half in (message.content[:middle], message.content[middle:]):
        yield from _split_to_fit(replace(message, content=half), mark)


def _cut_to_fit(message: LoginResMes) -> LoginResMes:
    """Keep as many ids as fit; the user's own id comes first, so it is always kept."""
    while message.users_id and not _fits(message):
        message = replace(message, users_id=message.users_id[: len(message.users_id) * 9 // 10])
    return message
