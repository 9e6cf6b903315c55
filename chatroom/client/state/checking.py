"""Checks arguments before they are sent; an error names the argument that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import Refused, RegisterRefused
from chatroom.protocol import display_names as names, messages as wire

_MAX_INTEGER: Final = 2**53 - 1
_ROOM: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SEQ: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class _Rule(NamedTuple):
    """What an argument has to be."""

    holds: Callable[[Any], bool]
    #: What it is called in Chinese, and what is asked of it in either language.
    label: str
    en: str
    zh: str


def _is_text(value: Any, most: int | None = None, least: int = 0) -> bool:
    if not isinstance(value, str) or not least <= len(value) <= (most or len(value)):
        return False
    # Lone surrogates are half a character, and can't be encoded in UTF-8.
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _is_name(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        names.check_name(value)
    except ValueError:
        return False
    return True


def _number(label: str, least: int = 1) -> _Rule:
    most = _MAX_INTEGER
    return _Rule(
        # True is an int, and no number to anybody else.
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        ),
        label,
        f"a whole number from {least} to {most}",
        f"从{least}到{most}的整数",
    )


def _text(label: str, most: int) -> _Rule:
    return _Rule(
        lambda value: _is_text(value, most),
        label,
        f"a text of at most {most} characters",
        f"最多{most}个字符的文本",
    )


def _password(label: str) -> _Rule:
    most = wire.MAX_PASSWORD
    return _Rule(
        lambda value: _is_text(value) and len(value.encode()) <= most,
        label,
        f"a text of at most {most} bytes in UTF-8",
        f"最多{most}个字节(UTF-8)的文本",
    )


_PLACE: Final = _Rule(
    lambda value: bool(_SEQ.fullmatch(str(value))),
    "消息的位置",
    'a message\'s place, such as "1700000000000-0"',
    '消息的seq, 例如"1700000000000-0"',
)

#: By the name that the argument has in `ChatClient`.
_RULES: Final[dict[str, _Rule]] = {
    "user_id": _number("用户id"),
    "to": _number("对方的用户id"),
    "peer": _number("对方的用户id"),
    "password": _password("密码"),
    "old": _password("现在的密码"),
    "new": _password("新的密码"),
    "name": _Rule(
        _is_name,
        "名字",
        f"1 to {names.MAX_NAME} visible characters, with no accent but on a letter, "
        f"and at most {names.MAX_MARKS} on one",
        f"1到{names.MAX_NAME}个可见字符, 重音符号只能在字母上, 每个字母最多{names.MAX_MARKS}个",
    ),
    "invite": _text("邀请码", wire.MAX_INVITE),
    "token": _text("token", 128),
    "content": _Rule(
        lambda value: _is_text(value, wire.MAX_CONTENT) and "\0" not in value,
        "消息",
        f"a text of at most {wire.MAX_CONTENT} characters, without NUL",
        f"最多{wire.MAX_CONTENT}个字符的文本, 没有NUL字符",
    ),
    "room": _Rule(
        lambda value: isinstance(value, str) and bool(_ROOM.fullmatch(value)),
        "聊天室",
        "a room's name: 1 to 32 of a-z, 0-9, _ and -, of which _ and - not first",
        "聊天室的名字: 1到32个a-z, 0-9, _和-, 不能以_或-开头",
    ),
    "message_id": _Rule(
        lambda value: _is_text(value, 64, 1) and value.isprintable(),
        "消息编号",
        "1 to 64 visible characters",
        "1到64个可见字符",
    ),
    "seq": _PLACE,
    "before": _PLACE,
    "after": _number("after", 0),
    "limit": _number("limit"),
}
#: Those that may be left out, as None.
_OPTIONAL: Final = frozenset({"invite", "token", "room", "peer", "before", "message_id"})


def check(refused: type[Refused], **arguments: object) -> None:
    """Check arguments against the protocol.

    A server would refuse what it does not allow, or not even be able to name it in its answer.

    :raises Refused: as ``refused``, with the code that a server would use; the text names the
        argument and says what it has to be.
    """
    for name, value in arguments.items():
        rule = _RULES[name]
        left_out = value is None and name in _OPTIONAL
        if not left_out and not rule.holds(value):
            text = Words(f"{name}: must be {rule.en}", f"{rule.label}: 应该是{rule.zh}")
            raise refused(_code(refused, name, value), text)


def _code(refused: type[Refused], name: str, value: object) -> wire.Code:
    if refused is RegisterRefused:
        return wire.Code.REGISTER_FAILED
    too_long = name == "content" and isinstance(value, str) and len(value) > wire.MAX_CONTENT
    return wire.Code.TOO_LARGE if too_long else wire.Code.MALFORMED
