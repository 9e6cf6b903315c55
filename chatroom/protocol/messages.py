"""The messages of the wire protocol, their limits and result codes.

Every message is one `msgspec.Struct`; its field names are the wire's in snake_case.
``docs/protocol.md`` says what each message means; `chatroom.protocol.codec` puts them in frames.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, NamedTuple

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

#: The sender of messages from the server itself: no account has this id.
SERVER_ID: Final = 0
SERVER_NAME: Final = "system"
#: The sender's name of messages whose author's account was deleted.
DELETED_NAME: Final = "deleted user"

#: What an account's id may be: what a JavaScript number holds exactly.
UserId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
#: Any integer that a JavaScript number holds exactly; some fields are checked further later.
Number = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Ignored = Annotated[str, Meta(max_length=MAX_IGNORED)]
Limit = Annotated[int, Meta(ge=1, le=2**53 - 1)]
RoomName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
#: A place in one conversation's order, as text; see `Seq`.
SeqText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}-[0-9]{1,19}\Z")]
MessageId = Annotated[str, Meta(min_length=1, max_length=64)]
#: Seconds to wait before trying again.
RetryAfter = int | UnsetType
#: With code 403, if it is a ban or a mute: when it ends, in milliseconds since 1970, UTC; 0: never.
Until = int | UnsetType


class Status(IntEnum):
    """Presence of a user, as on the wire."""

    ONLINE = 0
    OFFLINE = 1
    BUSY = 2


class Code(IntEnum):
    """Result codes. 500, 505 and 506 mean what they mean in the original program."""

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
    """A message's place in its conversation: two numbers, compared one after the other."""

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


#: The place before every message.
SEQ_ZERO: Final = Seq(0, 0)


class TooLong(ValueError):
    """A message's content has more than `MAX_CONTENT` characters."""


#: Fields that must never appear in logs.
_SECRETS: Final = frozenset({"user_pwd", "new_pwd", "token", "invite"})


class Message(msgspec.Struct, rename="camel", gc=False):
    """What all messages have in common: camelCase on the wire, no secrets in a repr."""

    def __repr__(self) -> str:
        """Without secrets: a repr may get into a log."""
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
    """The place up to which a person has seen the conversation with ``peer``."""

    peer: UserId = field(name="with")
    seq: SeqText


class RegisterMes(Message):
    user: User
    invite: Annotated[str, Meta(max_length=MAX_INVITE)] | UnsetType = UNSET


class RegisterResMes(Message):
    code: int
    error: str = ""
    retry_after: RetryAfter = UNSET


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
    retry_after: RetryAfter = UNSET
    until: Until = UNSET
    user_name: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    users: list[Person] | UnsetType = UNSET
    online: int | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    rooms: dict[str, str] | UnsetType = UNSET
    inbox: str | UnsetType = UNSET
    read: list[ReadMark] | UnsetType = UNSET
    #: Dialect 2, with 403: one word that says why, and what an operator wrote about it.
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
    retry_after: RetryAfter = UNSET
    until: Until = UNSET
    #: With 403: one word that says why, and what an operator wrote about it.
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
    retry_after: RetryAfter = UNSET
    #: With code 506: one word that says why, and the least number of characters.
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
    retry_after: RetryAfter = UNSET
    until: Until = UNSET
    #: With code 410: the oldest seq still held, by room.
    rooms: dict[str, str] | UnsetType = UNSET
    inbox: str | UnsetType = UNSET
    reconnect: bool | UnsetType = UNSET
    #: If an operator or a changed password is the cause: one word that says why, and a note.
    reason: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


#: All that goes over the wire, by its type's name there: every class above whose name ends so.
MESSAGES: Final[dict[str, type[Message]]] = {
    name: cls for name, cls in globals().items() if name.endswith("Mes")
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
