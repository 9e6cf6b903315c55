"""The wire protocol: frames and typed messages, with no I/O.

A frame is a 4-byte unsigned big-endian length and that many bytes of UTF-8 JSON,
``{"type": NAME, "data": "<JSON text>"}``. Every message is one `msgspec.Struct` below; its field
names are the wire's in snake_case. ``docs/protocol.md`` says what each message means.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from chatroom.protocol.display_names import check_name, shows

#: Bytes of the length prefix.
PREFIX_BYTES: Final = 4
#: Largest frame taken from a session that is logged in, in bytes.
MAX_FRAME: Final = 64 * 1024
#: Largest frame taken from a session that is not logged in yet, in bytes.
MAX_FRAME_BEFORE_LOGIN: Final = 4 * 1024
#: Largest frame a server sends to a dialect 2 client, in bytes.
MAX_SERVER_FRAME: Final = 1024 * 1024
#: Largest frame the original client can read, in bytes: its buffer's size.
MAX_FRAME_DIALECT_1: Final = 8096
#: Longest message, in characters.
MAX_CONTENT: Final = 4000
#: Longest password, in bytes of UTF-8.
MAX_PASSWORD: Final = 1024
#: Longest invitation, in characters.
MAX_INVITE: Final = 256
#: Longest ``sex``, a text that the user is free to choose, in characters.
MAX_SEX: Final = 16
#: Longest text in a field that is ignored, in characters.
MAX_IGNORED: Final = 1024
#: Most rooms that one `Resume` may name.
MAX_ROOMS: Final = 100
#: Most messages that one `HistoryMes` may ask for.
MAX_HISTORY: Final = 200
#: Most users that one `UsersMes` may ask for.
MAX_USERS: Final = 500
#: The one room there is so far, and what an absent ``room`` means.
LOBBY: Final = "lobby"

#: Who speaks when the server itself does: no account has this id.
SERVER_ID: Final = 0
SERVER_NAME: Final = "system"
#: The name under which stands what somebody wrote whose account was deleted.
DELETED_NAME: Final = "deleted user"

#: What an account's id may be: what a JavaScript number holds exactly.
UserId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
#: Any number that a JavaScript number holds exactly: where it matters, more is asked of it later.
Number = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Ignored = Annotated[str, Meta(max_length=MAX_IGNORED)]
Limit = Annotated[int, Meta(ge=1, le=2**53 - 1)]
RoomName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
#: A place in one conversation's order, as text; see `Seq`.
SeqText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}-[0-9]{1,19}\Z")]
MessageId = Annotated[str, Meta(min_length=1, max_length=64)]


class Status(IntEnum):
    """Presence of a user, as on the wire."""

    ONLINE = 0
    OFFLINE = 1
    BUSY = 2


class Code(IntEnum):
    """Result codes. 500, 505 and 506 mean what the original program made them mean."""

    OK = 200
    STORED_OFFLINE = 202
    MALFORMED = 400
    NOT_LOGGED_IN = 401
    WRONG_PASSWORD = 403
    NO_RECIPIENT = 404
    CLOSED = 409
    GONE = 410
    TOO_LARGE = 413
    TOO_FAST = 429
    NO_SUCH_USER = 500
    #: The store is out of reach; in `RegisterResMes`: the id is taken.
    UNAVAILABLE = 505
    REGISTER_FAILED = 506
    MAILBOX_FULL = 507


class Seq(NamedTuple):
    """A message's place in its conversation: two numbers, compared number by number."""

    ms: int
    n: int

    @classmethod
    def parse(cls, text: str | bytes) -> Seq:
        """Read ``"<ms>-<n>"``.

        :raises ValueError: the text is not two numbers joined by a hyphen.
        """
        if isinstance(text, bytes):
            text = text.decode("ascii")
        ms, _, n = text.partition("-")
        # Not through the tuple's own __new__, which takes as long as all the rest.
        return tuple.__new__(cls, (int(ms), int(n)))

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"


#: Before every message.
SEQ_ZERO: Final = Seq(0, 0)


class TooLong(ValueError):
    """A message's content has more than `MAX_CONTENT` characters."""


class WireError(Exception):
    """What arrived is no message.

    ``fatal`` says that the connection's framing can't be trusted any more, so it has to close;
    ``type_name`` is the message's type where that much could be read.
    """

    def __init__(
        self,
        text: str,
        *,
        code: Code = Code.MALFORMED,
        fatal: bool = False,
        type_name: str | None = None,
        message_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.fatal = fatal
        self.type_name = type_name
        self.message_id = message_id


# ---------------------------------------------------------------- messages


#: Fields that nobody but the one they are meant for may see.
_SECRETS: Final = frozenset({"user_pwd", "new_pwd", "token", "invite"})


class Message(msgspec.Struct, rename="camel", gc=False):
    """What all messages have in common: camelCase on the wire, never changed once made."""

    def __repr__(self) -> str:
        """With no secret: what is shown here may get into a log."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        shown = (
            f"{name}={'…' if value and name in _SECRETS else repr(value)}"
            for name, value in values.items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class User(Message):
    """An account as its owner describes it in `RegisterMes`."""

    user_id: UserId
    user_pwd: str
    user_name: str
    user_status: Number = 0
    sex: Annotated[str, Meta(max_length=MAX_SEX)] = ""

    def __post_init__(self) -> None:
        check_password(self.user_pwd)
        check_name(self.user_name)
        if not all(map(shows, self.sex)):
            raise ValueError("sex: no control or invisible characters")


class Person(Message):
    """A user as others see one: id, name and presence."""

    user_id: int
    user_name: str
    user_status: int


class ReadMark(Message):
    """Up to where a person has seen the conversation with ``peer``."""

    peer: UserId = field(name="with")
    seq: SeqText


class RegisterMes(Message):
    user: User
    invite: Annotated[str, Meta(max_length=MAX_INVITE)] | UnsetType = UNSET


class RegisterResMes(Message):
    code: int
    error: str = ""
    #: Seconds to wait before trying again.
    retry_after: int | UnsetType = UNSET


class Resume(Message):
    """Positions a client comes back with: the newest ``seq`` it got of each conversation."""

    rooms: Annotated[dict[RoomName, SeqText], Meta(max_length=MAX_ROOMS)] = {}
    inbox: SeqText | UnsetType = UNSET


class LoginMes(Message):
    user_id: UserId
    user_pwd: str = ""
    user_name: Ignored = ""
    protocol: Number | UnsetType = UNSET
    token: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    resume: Resume | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_password(self.user_pwd)


class LoginResMes(Message):
    code: int
    #: Dialect 1 only: ids online, the user's own included; None on failure.
    users_id: list[int] | UnsetType | None = field(default=UNSET, name="UsersId")
    error: str = ""
    #: Seconds to wait before trying again.
    retry_after: int | UnsetType = UNSET
    #: With code 403, where it is a ban or a mute: when it ends, in milliseconds since 1970, UTC; 0:
    #: never.
    until: int | UnsetType = UNSET
    user_name: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    users: list[Person] | UnsetType = UNSET
    online: int | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    rooms: dict[str, str] | UnsetType = UNSET
    inbox: str | UnsetType = UNSET
    read: list[ReadMark] | UnsetType = UNSET
    #: Dialect 2, with 403: what is so in a word, and what an operator said to it.
    reason: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class NotifyUserStatusMes(Message):
    user_id: int
    status: int


class Text(Message):
    """What a message to people carries, whether to a room or to one person.

    Whatever a client writes into ``user_*`` and ``sex`` is ignored: the server fills them in from
    the account. ``sent_at`` is in milliseconds since 1970, UTC, by the clock of the server's store.
    """

    content: str
    user_id: Number = 0
    user_pwd: Ignored = ""
    user_name: Ignored = ""
    user_status: Number = 0
    sex: Ignored = ""
    room: RoomName | UnsetType = UNSET
    to_user_id: UserId | UnsetType = UNSET
    id: MessageId | UnsetType = UNSET
    seq: SeqText | UnsetType = UNSET
    sent_at: Annotated[int, Meta(ge=0, le=2**63 - 1)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(self.content) > MAX_CONTENT:
            raise TooLong(f"content: at most {MAX_CONTENT} characters")
        if "\x00" in self.content:
            raise ValueError("content: a NUL character can't be sent")
        if self.id and not self.id.isprintable():
            raise ValueError("id: no control or invisible characters")


class SmsMes(Text):
    """A message to a room."""


class PrivateMes(Text):
    """A message to one person."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to_user_id is UNSET:
            raise ValueError("toUserId is missing")


class AckMes(Message):
    id: str
    code: int
    seq: str | UnsetType = UNSET
    error: str = ""
    #: Seconds to wait before trying again.
    retry_after: int | UnsetType = UNSET
    #: With code 403, where it is a ban or a mute: when it ends, in milliseconds since 1970, UTC; 0:
    #: never.
    until: int | UnsetType = UNSET
    #: With 403: what is so in a word, and what an operator said to it.
    reason: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    #: With a seq: as the message itself has it.
    sent_at: int | UnsetType = UNSET


class ReceivedMes(Message):
    inbox: SeqText


class ReadMes(ReadMark):
    pass


class PresenceMes(Message):
    online: int
    changes: list[Person]
    partial: bool = False


class UsersMes(Message):
    after: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    limit: Limit = 100


class UsersResMes(Message):
    users: list[Person]
    online: int
    next: int | None = None


class StatusMes(Message):
    status: Number

    def __post_init__(self) -> None:
        if self.status not in (Status.ONLINE, Status.BUSY):
            raise ValueError("status: 0 (online) or 2 (busy)")


class HistoryMes(Message):
    room: RoomName | UnsetType = UNSET
    peer: UserId | UnsetType = field(default=UNSET, name="with")
    before: SeqText | UnsetType = UNSET
    limit: Limit = 50

    def __post_init__(self) -> None:
        if self.room is not UNSET and self.peer is not UNSET:
            raise ValueError("either room or with, not both")


class HistoryResMes(Message):
    #: Oldest first.
    messages: list[Text]
    more: bool
    limit: int
    room: str | UnsetType = UNSET
    peer: int | UnsetType = field(default=UNSET, name="with")
    before: str | UnsetType = UNSET


class PasswordMes(Message):
    user_pwd: str
    new_pwd: str

    def __post_init__(self) -> None:
        check_password(self.user_pwd)
        check_password(self.new_pwd)


class PasswordResMes(Message):
    code: int
    error: str = ""
    #: Seconds to wait before trying again.
    retry_after: int | UnsetType = UNSET
    #: With code 506 what is wrong in a word, and of what is too short the least number of
    #: characters.
    reason: str | UnsetType = UNSET
    least: int | UnsetType = UNSET


class LogoutMes(Message):
    pass


class PingMes(Message):
    pass


class PongMes(Message):
    pass


class ErrorMes(Message):
    code: int
    error: str
    id: str | UnsetType = UNSET
    #: The type of the message that it answers.
    about: str | UnsetType = UNSET
    #: Seconds to wait before trying again.
    retry_after: int | UnsetType = UNSET
    #: With code 403, where it is a ban or a mute: when it ends, in milliseconds since 1970, UTC; 0:
    #: never.
    until: int | UnsetType = UNSET
    #: With code 410: the oldest seq still held, by room.
    rooms: dict[str, str] | UnsetType = UNSET
    inbox: str | UnsetType = UNSET
    reconnect: bool | UnsetType = UNSET
    #: Where an operator or a changed password is behind it: what is so in a word, and what was
    #: said to it.
    reason: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


MESSAGES: Final[dict[str, type[Message]]] = {
    cls.__name__: cls
    for cls in (
        RegisterMes,
        RegisterResMes,
        LoginMes,
        LoginResMes,
        NotifyUserStatusMes,
        SmsMes,
        PrivateMes,
        AckMes,
        ReceivedMes,
        ReadMes,
        PresenceMes,
        UsersMes,
        UsersResMes,
        StatusMes,
        HistoryMes,
        HistoryResMes,
        PasswordMes,
        PasswordResMes,
        LogoutMes,
        PingMes,
        PongMes,
        ErrorMes,
    )
}


def check_password(password: str) -> None:
    """:raises ValueError: more than `MAX_PASSWORD` bytes of UTF-8, or no text."""
    try:
        too_long = len(password) > MAX_PASSWORD or len(password.encode()) > MAX_PASSWORD
    except UnicodeEncodeError:
        # Python's own error holds the whole password.
        raise ValueError("password: no lone surrogates") from None
    if too_long:
        raise ValueError(f"password: at most {MAX_PASSWORD} bytes")


# ---------------------------------------------------------------- codec


class _Envelope(msgspec.Struct):
    type: str
    data: str = "{}"


_encode = msgspec.json.encode
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(cls) for name, cls in MESSAGES.items()
}
#: `RecursionError`: arrays nested deeper than Python's stack.
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: What an envelope begins with, by what is in it.
_openings: Final = {cls: b'{"type":"%b","data":' % name.encode() for name, cls in MESSAGES.items()}
_pack_length = struct.Struct("!I").pack


def encode(message: Message) -> bytes:
    """The message's envelope as JSON, with no length prefix.

    :raises UnicodeEncodeError: a text in it has lone surrogates.
    """
    data = _encode(_encode(message).decode())
    return b"%b%b}" % (_openings[type(message)], data)


#: How clients of other protocols begin.
_GREETINGS: Final = {
    "HTTP": (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "),
    "SSH": (b"SSH-",),
    "TLS": (b"\x16\x03",),
}


def other_protocol(length: int) -> str | None:
    """The protocol whose greeting was taken for a frame's length, if it is one."""
    begin = length.to_bytes(PREFIX_BYTES) if length < 2**32 else b""
    for protocol, words in _GREETINGS.items():
        if begin.startswith(words):
            return protocol
    return None


def frame(payload: bytes) -> bytes:
    """``payload`` with its length before it."""
    return _pack_length(len(payload)) + payload


def decode(payload: bytes) -> Message:
    """Read one frame's payload.

    :raises WireError: it is no JSON envelope (``fatal``), of an unknown type, or its data is not
        what that type wants.
    """
    try:
        envelope = _envelope_decoder.decode(payload)
    except _DECODE_ERRORS as error:
        raise WireError(f"not a message: {_why(error)}", fatal=True) from None
    decoder = _decoders.get(envelope.type)
    if decoder is None:
        raise WireError(f"unknown type {envelope.type[:40]!r}", type_name=envelope.type)
    try:
        # Types with no fields carry nothing at all, to some: an empty text.
        message: Message = decoder.decode(envelope.data or "{}")
    except _DECODE_ERRORS as error:
        too_long = isinstance(error.__cause__, TooLong)
        raise WireError(
            f"{envelope.type}: {_why(error)}",
            code=Code.TOO_LARGE if too_long else Code.MALFORMED,
            type_name=envelope.type,
            message_id=_salvage_id(envelope.data),
        ) from None
    return message


class _OnlyId(msgspec.Struct):
    id: MessageId


_id_decoder = msgspec.json.Decoder(_OnlyId)


def _salvage_id(data: str) -> str | None:
    """The ``id`` of a message that is otherwise malformed: its sender can match the error then."""
    try:
        found = _id_decoder.decode(data).id
    except _DECODE_ERRORS:
        return None
    return found if found.isprintable() else None


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)
