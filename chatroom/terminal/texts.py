"""All that the menus say, in Chinese; ``locale/`` holds the same in other languages.

The texts are the keys of the catalogues: after a change here, make the same change there, and
compile the catalogue again (``msgfmt -o chatroom.mo chatroom.po``).
"""
# ruff: noqa: S105 - texts about passwords, none of them a password

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

# ---------------------------------------------------------------- the original program's own

FIRST_MENU: Final = (
    "----------------欢迎登陆多人聊天系统------------\n"
    "\t\t\t 1 登陆聊天室\n"
    "\t\t\t 2 注册用户\n"
    "\t\t\t 3 退出系统"
)
CHOOSE_FIRST: Final = "\t\t\t 请选择(1-3):"
ASK_LOGIN_ID: Final = "请输入用户的id"
ASK_LOGIN_PASSWORD: Final = "请输入用户的密码"
ASK_NEW_ID: Final = "请输入用户id:"
ASK_NEW_PASSWORD: Final = "请输入用户密码:"
ASK_NEW_NAME: Final = "请输入用户名字(nickname):"
REGISTERED: Final = "注册成功, 你重新登录一把"
WRONG_INPUT: Final = "你的输入有误,请重新输入"
WELCOME: Final = "-------恭喜{name}登录成功---------"
MENU_ONLINE: Final = "-------1. 显示在线用户列表---------"
MENU_SEND: Final = "-------2. 发送消息---------"
MENU_LIST: Final = "-------3. 信息列表---------"
MENU_LEAVE: Final = "-------4. 退出系统---------"
ONLINE: Final = "当前在线用户列表:"
USER: Final = "用户id:\t {id}"
ASK_TEXT: Final = "你想对大家说的什么:)"
TO_ALL: Final = "用户id:\t{id} 对大家说:\t{content}"
LEFT: Final = "你选择退出了系统..."
WRONG_CHOICE: Final = "你输入的选项不正确.."

# ---------------------------------------------------------------- added since

MENU_PRIVATE: Final = "-------5. 私聊---------"
MENU_STATUS: Final = "-------6. 切换状态(在线/忙碌)---------"
MENU_PASSWORD: Final = "-------7. 修改密码---------"
CHOOSE: Final = "请选择(1-7):"
MENU_HINT: Final = "(输入?或者直接回车, 就再显示菜单)"
UNREAD_COUNT: Final = " (未读 {count} 条)"
ASK_PEER: Final = "请输入对方的用户id:"
ASK_PRIVATE_TEXT: Final = "你想对TA说的什么:)"
TO_YOU: Final = "用户id:\t{id} 对你说:\t{content}"
OWN_PRIVATE: Final = "用户id:\t{id} 对用户{peer}说:\t{content}"
UNREAD: Final = "(未读)"
YOU: Final = "(你)"
BUSY: Final = "[忙碌]"
MORE_ONLINE: Final = "还有{count}人在线"
ONLINE_COUNT: Final = "当前在线{count}人"
WAITED: Final = "你不在的时候收到{count}条私聊消息:"
LIST: Final = "信息列表:"
NO_MESSAGES: Final = "还没有消息"
SENT: Final = "已发送"
DELIVERED: Final = "已送达"
KEPT: Final = "对方不在线, 消息已保存, 上线后就能收到"
NOTHING_SENT: Final = "没有输入内容, 没有发送"
ASK_OLD_PASSWORD: Final = "请输入现在的密码:"
ASK_NEXT_PASSWORD: Final = "请输入新的密码:"
ASK_PASSWORD_AGAIN: Final = "请再输入一次新的密码:"
PASSWORD_CHANGED: Final = "密码已修改, 其他设备要用新密码重新登录"
NOW_BUSY: Final = "你现在的状态: 忙碌"
NOW_ONLINE: Final = "你现在的状态: 在线"
CAME: Final = "上线了"
WENT: Final = "离开了"
GOT_BUSY: Final = "忙碌中"
NOT_BUSY: Final = "不忙了"
MANY_CHANGES: Final = "{came}人上线, {went}人离开, 当前在线{online}人"
LOST: Final = "连接断开了, 正在重新连接..."
BACK: Final = "已重新连接"
ANNOUNCEMENT: Final = "[系统] {content}"
DELETED_USER: Final = "已注销用户"
NOT_STOPPED: Final = "这里没有能让程序继续的shell, 所以不能暂停"
GAP: Final = "这里缺少一些消息, 服务器已不再保存"

# ---------------------------------------------------------------- a server's certificate

NEW_CERTIFICATE: Final = (
    "第一次连接服务器 {server}, 没有认识的机构为它的证书作保 ({reason})。证书的指纹:\n"
    "{fingerprint}\n"
    "请和服务器管理员告诉你的指纹核对。"
)
ASK_TRUST: Final = "指纹相同, 相信它吗? (yes/no)"
REMEMBERED: Final = "已记入 {file}, 以后不再询问"
NOT_REMEMBERED: Final = "不能记入 {file} ({reason}), 下次还要询问"
UNKNOWN_CERTIFICATE: Final = (
    "没有认识的机构为服务器 {server} 的证书作保 ({reason}), 没有连接。"
    "如果它的指纹确实是 {fingerprint}, 请加上 --tls-fingerprint {fingerprint}"
)
INVALID_CERTIFICATE: Final = "服务器 {server} 的证书无效 ({reason}), 没有连接, 没有发送任何内容"
CHANGED_CERTIFICATE: Final = (
    "!!! 服务器 {server} 的证书变了 !!! 指纹原来是 {known}, 现在是 {fingerprint}。"
    "可能有人在冒充这个服务器! 没有连接, 没有发送任何内容。"
    "请询问服务器管理员; 如果确实换了证书, 从 {file} 删除这个服务器的那一行, 再连接"
)
CHANGED_BUT_VOUCHED: Final = " (本系统认识的机构为新证书作保, 删除以后就由它们决定)"
OTHER_CERTIFICATE: Final = (
    "!!! 服务器 {server} 的证书不是指定的那个 !!! 指纹应该是 {known}, 却是 {fingerprint}。"
    "可能有人在冒充这个服务器! 没有连接, 没有发送任何内容"
)

# ---------------------------------------------------------------- what went wrong

OFFLINE: Final = "和服务器的连接结束了: {reason}"
UNREACHABLE: Final = "连接不上服务器 {server}: {reason}"
NOT_CONNECTED: Final = "没有连接到服务器: {reason}"
UNCONFIRMED: Final = "没有得到服务器的确认, 不知道消息是否送到"
NO_SUCH_USER: Final = "用户不存在, 请先注册(选2)"
WRONG_PASSWORD: Final = "密码不正确, 请重新登录(选1)"
LOGIN_FAILED: Final = "登录失败: {reason}"
ID_TAKEN: Final = "这个用户id已被注册, 请换一个id(选2), 或者直接登录(选1)"
REGISTER_FAILED: Final = "注册失败, 请重新注册(选2): {reason}"
OLD_PASSWORD_WRONG: Final = "现在的密码不正确, 密码没有修改"
PASSWORDS_DIFFER: Final = "两次输入的新密码不一样, 密码没有修改"
PASSWORD_KEPT: Final = "密码没有修改: {reason}"
UNAVAILABLE: Final = "服务器暂时存取不了数据, 请稍后再试"
TOO_FAST: Final = "太频繁了, 请稍后再试"
TOO_FAST_FOR: Final = "太频繁了, 请{seconds}秒后再试"
NO_RECIPIENT: Final = "没有这个用户, 消息没有发送"
MAILBOX_FULL: Final = "对方的信箱满了, 消息没有发送"
TOO_LARGE: Final = "消息太长, 没有发送"
REFUSED: Final = "服务器拒绝了: {reason}"
BAD_ID: Final = "用户id应该是一个正整数"
BAD_NAME: Final = "名字要有1到{limit}个可见字符"
BAD_PASSWORD: Final = "密码不能为空, 最多{limit}个字节"
BAD_CONTENT: Final = "消息里不能有NUL字符, 没有发送"
NOT_TEXT: Final = "这一行不是有效的{encoding}文本, 没有使用"
TOO_LONG: Final = "这一行太长, 最多{limit}个字符, 没有使用"
CUT: Final = "这一行太长, 这样的终端最多传送{limit}个字节, 其余的丢掉了, 所以没有使用; 请分成几条"
HAS_NUL: Final = "这一行里有NUL字符, 没有使用"
HAS_RETURN: Final = "这一行里有回车符(CR), 没有使用; 每一行要用LF或者CR LF结束"
UTF_16: Final = (
    "输入看来是UTF-16, 没有使用; 请先转换成{encoding}(例如 iconv -f UTF-16 -t {encoding})"
)
UNREADABLE: Final = "输入读不出来, 没有全部使用; 请检查它是不是文件, 能不能读"
ENDED_WITHIN: Final = "输入在这里结束了, 还缺少一个回答, 所以没有做: {question}"
NO_CHOICE: Final = "脚本里的这一行不是可选的项目, 请检查每个问题是不是正好有一个回答: {line}"
LEFT_OVER: Final = "脚本还有没有用上的行, 请检查每个问题是不是正好有一个回答"
OUTPUT_CLOSED: Final = "没有程序再读输出, 所以脚本没有做完"
OUTPUT_LOST: Final = "输出写不出去(磁盘满了吗?), 所以脚本可能没有做完"
INTERNAL: Final = "程序内部错误: {reason}"

# ---------------------------------------------------------------- the command line

ABOUT: Final = "多人聊天室。没有终端时, 输入的每一行是一个回答。"
HELP_SERVER: Final = "服务器: HOST:PORT, 或者Twisted的客户端endpoint(默认 {default})"
HELP_TLS: Final = "用TLS加密连接, 并检查服务器的证书; 没有机构作保的, 第一次询问, 以后记住它"
HELP_FINGERPRINT: Final = "用TLS, 只相信有这个指纹的证书 (SHA256:...)"
HELP_LANGUAGE: Final = "语言: zh中文, en英文(默认按照系统设置)"
HELP_INVITE: Final = "注册时用的邀请码, 如果服务器需要"
HELP_VERSION: Final = "显示版本"
HELP_HELP: Final = "显示这些说明"
HELP_LOG: Final = "把程序内部的记录写到文件"

# ---------------------------------------------------------------- languages

#: Translates one of these texts.
Translate = Callable[[str], str]

LANGUAGES: Final = ("zh", "en")
_LOCALE: Final = Path(__file__).parent / "locale"


def language_of(environ: Mapping[str, str]) -> str:
    """English where the locale is English, else Chinese; the variables are those of POSIX."""
    locale = next(
        (environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), ""
    )
    return "en" if locale.lower().startswith("en") else "zh"


def translation(language: str) -> Translate:
    """The function that translates these texts into ``language``, one of `LANGUAGES`."""
    if language == "zh":
        return str
    return gettext.translation("chatroom", _LOCALE, [language]).gettext


def in_language(say: Translate, en: str, zh: str) -> str:
    """The one of two texts that is in the language of ``say``."""
    return zh if say(SENT) == SENT else en
