"""Refusals: what a client is told, as a code and a text for people.

Dialect 1 gets the original program's Chinese texts, which its client prints as they are. Dialect 2
clients choose their own words by the code; the English text is for people who debug the protocol.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, partial
from typing import Final, NamedTuple

from chatroom.protocol.messages import Code


class Refusal(NamedTuple):
    """Why something was not done."""

    code: Code
    zh: str
    en: str
    #: Seconds to wait before trying again; 0: waiting does not help, or is not needed.
    retry_after: int = 0
    #: Until when that is so, in milliseconds since 1970, UTC; 0: for good; None: not known.
    until: int | None = None
    #: One word for programs that says what is wrong; empty where `code` is enough.
    reason: str = ""
    #: The least number of characters, if the text was too short.
    least: int = 0
    #: What an operator wrote about it, if anything.
    note: str = ""


class Refused(Exception):
    """Carries a `Refusal` from where it is decided to where it is put on the wire."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.en)
        self.refusal = refusal


NO_SUCH_USER = Refusal(Code.NO_SUCH_USER, "用户不存在..", "no such user: register first")
WRONG_PASSWORD = Refusal(Code.WRONG_PASSWORD, "密码不正确", "wrong password")
WRONG_TOKEN = Refusal(
    Code.WRONG_PASSWORD, "登录已过期, 请重新输入密码", "the token is no longer valid: log in again"
)
STORE_DOWN = Refusal(
    Code.UNAVAILABLE, "服务器内部错误...", "the store is out of reach: try again in a moment"
)
ID_TAKEN = Refusal(Code.UNAVAILABLE, "用户已经存在...", "that id is taken: choose another one")
REGISTER_FAILED = Refusal(
    Code.REGISTER_FAILED, "注册发生未知错误...", "registering failed: try again in a moment"
)
NOT_LOGGED_IN = Refusal(Code.NOT_LOGGED_IN, "请先登录", "log in first")
LOGGED_IN_ALREADY = Refusal(
    Code.MALFORMED, "你已经登录了", "this session is logged in already: log out first"
)
NO_RECIPIENT = Refusal(Code.NO_RECIPIENT, "对方不存在, 消息没有发出", "no such recipient")
NO_ROOM = Refusal(Code.NO_RECIPIENT, "没有这个聊天室", "no such room")
MAILBOX_FULL = Refusal(
    Code.MAILBOX_FULL, "对方的信箱已满, 消息没有发出", "the recipient's mailbox is full: try later"
)
SENDER_FULL = Refusal(
    Code.MAILBOX_FULL,
    "你的信箱已满, 消息没有发出",
    "your own mailbox is full: confirm what has arrived (ReceivedMes) first",
)
OTHER_CONTENT = Refusal(
    Code.MALFORMED, "消息编号重复", "this id was used before, for a message with other content"
)
UNKNOWN_PROTOCOL = Refusal(Code.MALFORMED, "不支持的协议版本", "unknown protocol: this is 2")
SLOW_READER = Refusal(
    Code.CLOSED, "接收太慢, 连接已断开", "too much was waiting to be read: reconnect and resume"
)
FELL_BEHIND = Refusal(
    Code.CLOSED,
    "接收太慢, 部分消息已不再保存",
    "some of what was to come is no longer held: reconnect and resume",
)
SHUTTING_DOWN = Refusal(
    Code.CLOSED, "服务器正在关闭, 请稍后重新登录", "the server is stopping: reconnect in a moment"
)
SILENT = Refusal(
    Code.CLOSED, "太久没有响应, 连接已断开", "nothing was heard for too long: reconnect"
)
LOGIN_TIMEOUT = Refusal(
    Code.CLOSED, "太久没有登录, 连接已断开", "nobody logged in for too long: connect again"
)
PASSWORD_CHANGED = Refusal(
    Code.CLOSED,
    "密码已更改, 请用新密码重新登录",
    "the password was changed: log in again with the new one",
    reason="passwordElsewhere",
)
# A registration is answered in the words of `zh` alone, in either dialect.
REGISTRATION_CLOSED = Refusal(
    Code.REGISTER_FAILED,
    "这里不能注册新用户 (nobody can register here)",
    "nobody can register here",
    reason="closed",
)
INVITATION_NEEDED = Refusal(
    Code.REGISTER_FAILED,
    "注册需要邀请码: chatroom --invite 邀请码 "
    "(an invitation is needed to register: chatroom --invite SECRET)",
    "an invitation is needed to register: chatroom --invite SECRET",
    reason="inviteMissing",
)
PASSWORD_COMMON = Refusal(
    Code.REGISTER_FAILED,
    "这个密码太常见 (this password is one of the commonest: choose another one)",
    "this password is one of the commonest: choose another one",
    reason="passwordCommon",
)
PASSWORD_IS_NAME = Refusal(
    Code.REGISTER_FAILED,
    "密码不能是用户id或名字 (the password must not be the user's id or name)",
    "the password must not be the user's id or name",
    reason="passwordIsName",
)


KICKED = Refusal(
    Code.CLOSED,
    "管理员断开了你的连接",
    "an operator ended this session: log in again if you like",
    reason="kicked",
)
DELETED = Refusal(
    Code.NO_SUCH_USER, "这个用户已被注销", "this account was deleted", reason="deleted"
)


def _sanction(what: str, zh: str, en: str, until: int, reason: str) -> Refusal:
    if until:
        ends = _ends(until)
        zh, en = f"{zh}, 直到{ends} (UTC)", f"{en} until {ends} UTC"
    return with_words(Refusal(Code.WRONG_PASSWORD, zh, en, until=until, reason=what), reason)


#: Each is given when it ends, in milliseconds since 1970, UTC (0: never), and the operator's words.
banned: Final = partial(_sanction, "banned", "你已被封禁", "you are banned")
address_banned: Final = partial(
    _sanction, "addressBanned", "你的网络地址已被封禁", "your address is banned"
)
muted: Final = partial(_sanction, "muted", "你已被禁言", "you are muted")


def _ends(until: int) -> str:
    # Up to the next minute: until then it holds.
    return datetime.fromtimestamp(-(-until // 60_000) * 60, UTC).strftime("%Y-%m-%d %H:%M")


def too_fast(seconds: int, zh: str, en: str) -> Refusal:
    """:param seconds: how long to wait before the next try."""
    return Refusal(
        Code.TOO_FAST, f"{zh}, 请{seconds}秒后再试", f"{en}: try again in {seconds} s", seconds
    )


#: Each is given the seconds after which it may be tried again.
too_many_tries: Final = partial(too_fast, zh="错误次数太多", en="too many wrong tries")
too_many_registrations: Final = partial(too_fast, zh="注册太频繁", en="too many registrations")
too_many_connections: Final = partial(too_fast, zh="连接太多", en="too many connections")
too_many_frames: Final = partial(too_fast, zh="发送太快", en="too fast")
#: The session closes, as its client was told to wait and did not.
flood: Final = partial(too_fast, zh="发送太快, 连接已断开", en="too fast for too long")


def password_too_short(least: int) -> Refusal:
    """:param least: characters that a password must have."""
    return Refusal(
        Code.REGISTER_FAILED,
        f"密码太短, 至少要{least}个字符 (password too short: at least {least} characters)",
        f"password too short: at least {least} characters",
        reason="passwordShort",
        least=least,
    )


def with_words(refusal: Refusal, text: str) -> Refusal:
    """The refusal with what an operator wrote about it, if anything."""
    return (
        refusal._replace(zh=f"{refusal.zh}: {text}", en=f"{refusal.en}: {text}", note=text)
        if text
        else refusal
    )


def malformed(why: str, code: Code = Code.MALFORMED) -> Refusal:
    """What was sent can't be understood, or is not allowed, for the reason ``why`` (English)."""
    return Refusal(code, f"请求有误: {why}", why)


#: Stands for a number that a text has, or for the end of a sanction.
_NUMBER: Final = 987_654_321


@cache
def _patterns() -> list[tuple[re.Pattern[str], str, str]]:
    """For each text of either language what it looks like, and the pair that it belongs to."""
    numbered = (too_many_tries, too_many_registrations, too_many_connections)
    samples = [value for value in globals().values() if isinstance(value, Refusal)]
    samples += [make(_NUMBER) for make in (*numbered, too_many_frames, flood, password_too_short)]
    samples += [
        make(until, "") for make in (banned, address_banned, muted) for until in (0, _NUMBER)
    ]
    # What has an end comes before what has the same words without one.
    samples.sort(key=lambda refusal: len(refusal.en), reverse=True)
    return [
        (re.compile(rf"{_with_values(text)}(?P<reason>: .*)?", re.DOTALL), refusal.zh, refusal.en)
        for refusal in samples
        for text in (refusal.zh, refusal.en)
    ]


def _with_values(text: str) -> str:
    ends = re.escape(_ends(_NUMBER))
    pattern = re.escape(text).replace(str(_NUMBER), "(?P<number>[0-9]+)", 1)
    return pattern.replace(str(_NUMBER), "(?P=number)").replace(
        ends, "(?P<ends>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})"
    )


def in_both(text: str) -> tuple[str, str] | None:
    """The Chinese and the English of a text in either language; None: it is none of these."""
    for pattern, zh, en in _patterns():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = found.groupdict()
        pair = []
        for other in (zh, en):
            if values.get("number"):
                other = other.replace(str(_NUMBER), values["number"])
            if values.get("ends"):
                other = other.replace(_ends(_NUMBER), values["ends"])
            pair.append(other + (values["reason"] or ""))
        return pair[0], pair[1]
    return None
