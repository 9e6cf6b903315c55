"""What the library says, in English and in Chinese."""

from __future__ import annotations

import re
from typing import Final, Self

from chatroom.protocol.messages import Code
from chatroom.protocol.refusals import in_both

_CHINESE: Final = re.compile(r"[\u3400-\u9fff]")


class Words(str):
    """A text in English, that has the same in Chinese."""

    __slots__ = ("zh",)

    zh: str

    def __new__(cls, en: str, zh: str | None = None) -> Self:
        """:param zh: the Chinese; left out, it is the English, or the Chinese that ``en`` has."""
        words = super().__new__(cls, en)
        words.zh = getattr(en, "zh", en) if zh is None else zh
        return words

    def filled(self, **values: object) -> Words:
        """With values put in for the names in braces, each in its own language where it has two."""
        chinese = {name: getattr(value, "zh", value) for name, value in values.items()}
        return Words(self.format(**values), self.zh.format(**chinese))


#: By the protocol's codes: used where the server sends no text, or one in one language only.
_BY_CODE: Final[dict[int, Words]] = {
    Code.MALFORMED: Words("the server did not understand this", "服务器不明白这个请求"),
    Code.NOT_LOGGED_IN: Words("not logged in", "没有登录"),
    Code.WRONG_PASSWORD: Words("wrong password", "密码不正确"),
    Code.NO_RECIPIENT: Words("no such user or room", "没有这个用户或聊天室"),
    Code.CLOSED: Words("the server closed the session", "服务器结束了连接"),
    Code.GONE: Words("this is no longer held", "这些内容已不再保存"),
    Code.TOO_LARGE: Words("too large", "太长"),
    Code.TOO_FAST: Words("too fast, try again later", "太频繁了, 请稍后再试"),
    Code.NO_SUCH_USER: Words("no such user", "用户不存在"),
    Code.UNAVAILABLE: Words("the server can't reach its store", "服务器暂时存取不了数据"),
    Code.REGISTER_FAILED: Words("the registration failed", "注册失败"),
    Code.MAILBOX_FULL: Words("the recipient's mailbox is full", "对方的信箱满了"),
}


def of_code(code: int) -> Words:
    """What a code means."""
    return _BY_CODE.get(code) or Words(f"refused with code {code}", f"被拒绝, 代码 {code}")


def of_server(code: int, text: str) -> Words:
    """What a server said with a code, be it in one language or in both."""
    if not text:
        return of_code(code)
    if isinstance(text, Words):
        return text
    halves = _halves(text)
    pair = (
        next((half for half in halves if in_both(half[0]) == half), None)
        or in_both(text)
        or next((half for half in halves if _are_likely(*half)), None)
    )
    if pair is not None:
        zh, en = pair
        return Words(en, zh.removesuffix(f" ({en})"))
    meaning = of_code(code)
    if _CHINESE.search(text):
        return Words(f"{meaning} ({text})", text)
    return Words(text, f"{meaning.zh} ({text})")


def _halves(text: str) -> list[tuple[str, str]]:
    """The possible splits of ``"Chinese (English)"``, which a server sends before the login."""
    if not text.endswith(")"):
        return []
    starts = re.finditer(r" \(", text)
    return [(text[: found.start()], text[found.end() : -1]) for found in starts]


def _are_likely(zh: str, en: str) -> bool:
    return bool(_CHINESE.search(zh)) and " " in en and not _CHINESE.search(en)


# ---------------------------------------------------------------- the connection

NOT_YET: Final = Words("not connected yet", "还没有连接")
CONNECTING: Final = Words("connecting", "正在连接")
CONNECTED: Final = Words("connected", "已连接")
CONNECTED_AGAIN: Final = Words("connected again", "已重新连接")
LOGGED_OUT: Final = Words("logged out", "已退出登录")
CLOSED: Final = Words("closed", "已关闭")
CLOSING: Final = Words("closing", "正在关闭")
LOGGING_OUT: Final = Words("logging out", "正在退出登录")
GIVEN_UP: Final = Words("given up", "已放弃连接")
LOGIN_GIVEN_UP: Final = Words("the login was given up", "已放弃登录")
SERVER_HUNG_UP: Final = Words("the server closed the connection", "服务器关闭了连接")
LOST: Final = Words("the connection was lost", "连接断开了")
NOBODY_LISTENS: Final = Words(
    "connection refused: nobody listens there", "连接被拒绝: 那里没有服务器"
)
NO_HOST: Final = Words("no host of that name", "没有这个名字的主机")
NO_ANSWER_IN_TIME: Final = Words("no answer in time", "没有及时得到回答")
NOT_ACKNOWLEDGED: Final = Words(
    "the server does not acknowledge what is sent", "服务器没有确认收到消息"
)
NOBODY_LOGGED_IN: Final = Words("nobody is logged in", "没有登录")
LOGGED_IN_ALREADY: Final = Words("somebody is logged in already", "已经登录了")
UNDER_WAY: Final = Words("a message of this id is under way", "这个编号的消息正在发送")
ROOM_AND_PEER: Final = Words("either a room or a peer, not both", "room和peer只能给一个")
STILL_UNDER_WAY: Final = Words("still under way", "还没有完成")
NO_ANSWER: Final = Words("no answer within {seconds:g} seconds", "{seconds:g}秒内没有回答")
NO_ANSWER_TO_REQUEST: Final = Words(
    "the server gave no answer within {seconds:g} seconds", "服务器在{seconds:g}秒内没有回答"
)
SILENT: Final = Words(
    "nothing was heard of the server for {seconds:g} seconds", "服务器已经{seconds:g}秒没有消息"
)
UNCONFIRMED: Final = Words(
    "not acknowledged within {seconds:g} seconds", "{seconds:g}秒内没有得到确认"
)
NO_MESSAGE: Final = Words(
    "the server sent what is no message: {problem}", "服务器发来的不是消息: {problem}"
)
FRAME_TOO_LONG: Final = Words(
    "the server sent a frame of {length} bytes, more than can be taken",
    "服务器发来的数据有{length}个字节, 太长了",
)
LOGIN_REFUSED: Final = Words("the server refused the login: {why}", "服务器拒绝了登录: {why}")
