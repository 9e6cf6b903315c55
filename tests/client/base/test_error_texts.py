"""Errors say what is wrong in English and in Chinese, and name what the user gave."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, maybeDeferred

from chatroom.client import (
    ChatClient,
    ChatError,
    Code,
    LoginRefused,
    NotConnected,
    PasswordRefused,
    Refused,
    RegisterRefused,
    SendRefused,
    Unconfirmed,
    Untrusted,
    connect,
)
from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import Doubt
from chatroom.client.state.checking import check
from chatroom.protocol import codec, messages as wire, refusals
from chatroom.protocol.refusals import Refusal
from chatroom.terminal import texts
from chatroom.terminal.input_checks import explain
from tests.client.network import REFUSED
from tests.client.stage import Outcome, Stage, a_welcome
from tests.protocol.test_refusals import ALL, MADE
from tests.serving import Serving, reactor

CHINESE = re.compile(r"[\u3400-\u9fff]")


def assert_in_both(error: object) -> None:
    assert isinstance(error, ChatError)
    assert str(error) == error.text_en
    assert error.text_en
    assert not CHINESE.search(error.text_en), error.text_en
    assert CHINESE.search(error.text_zh), error.text_zh
    assert "\n" not in error.text_en + error.text_zh


# ---------------------------------------------------------------- what the server says


@pytest.mark.parametrize("refusal", ALL + MADE, ids=lambda refusal: refusal.en)
@pytest.mark.parametrize("put", ["zh", "en", "both"])
def test_a_refusal_is_in_both_languages_however_the_server_put_it(
    refusal: Refusal, put: str
) -> None:
    text = {"zh": refusal.zh, "en": refusal.en, "both": f"{refusal.zh} ({refusal.en})"}[put]
    error = Refused(refusal.code, text)
    assert error.code == refusal.code
    assert error.text_en == refusal.en
    assert error.text_zh == refusal.zh.removesuffix(f" ({refusal.en})")
    if put != "zh" or "广告" not in refusal.zh:  # an operator's reason is in one language only
        assert CHINESE.search(error.text_zh)


@pytest.mark.parametrize("kind", [LoginRefused, RegisterRefused, SendRefused, PasswordRefused])
@pytest.mark.parametrize("text", ["", "说了些别的", "said something else", "说了 (said it so)"])
def test_what_another_version_says_is_in_both_languages_by_its_code(
    kind: type[Refused], text: str
) -> None:
    for code in Code:
        error = kind(code, text)
        assert error.code == code
        if text != "说了些别的":
            assert_in_both(error)
        assert CHINESE.search(error.text_zh), code
        assert not CHINESE.search(error.text_en.replace(text, "") if text else error.text_en), code
        if " (" not in text:
            assert text in error.text_en
            assert text in error.text_zh


def test_an_unknown_code_says_which(stage: Stage) -> None:
    assert_in_both(Refused(599))
    assert "599" in Refused(599).text_en


@ensureDeferred
async def test_what_a_real_server_refuses_a_bot_can_read_in_english(serving: Serving) -> None:
    client: ChatClient = await connect(serving.address, reactor=reactor)

    async def error_of(asked: Deferred[Any]) -> Refused:
        with pytest.raises(Refused) as raised:
            await asked
        assert_in_both(raised.value)
        return raised.value

    await client.register(100, "123456", "Ann")
    taken = await error_of(client.register(100, "123456", "Ann"))
    assert (taken.code, taken.text_en) == (505, "that id is taken: choose another one")
    assert taken.text_zh == "用户已经存在..."
    short = await error_of(client.register(101, "1", "Bob"))
    assert (short.code, short.text_en) == (506, "password too short: at least 6 characters")
    assert short.text_zh == "密码太短, 至少要6个字符"
    wrong = await error_of(client.log_in(100, "654321"))
    assert (wrong.code, wrong.text_en) == (403, "wrong password")
    nobody = await error_of(client.log_in(404, "123456"))
    assert (nobody.code, nobody.text_en) == (500, "no such user: register first")
    await client.log_in(100, "123456")
    unsent = await error_of(client.send_private(999, "hello"))
    assert (unsent.code, unsent.text_en) == (404, "no such recipient")
    room = await error_of(client.history(room="elsewhere"))
    assert (room.code, room.text_en) == (404, "no such room")
    await client.close()


# ---------------------------------------------------------------- the connection


def test_why_there_is_no_connection_is_in_both_languages(stage: Stage) -> None:
    sent = Outcome(stage.client.send("hello"))
    stage.network.refuse = REFUSED
    stage.network.last.cut()
    assert (stage.client.why, stage.client.why_zh) == ("the connection was lost", "连接断开了")
    stage.run(1)
    assert_in_both(NotConnected(stage.client.why))
    assert CHINESE.search(stage.client.why_zh)
    closing = stage.client.close()
    Outcome(closing)
    closing.cancel()
    assert_in_both(sent.error)
    for asked in (stage.client.connect(), stage.client.send("x"), stage.client.users()):
        assert_in_both(Outcome(asked).error)


def test_what_the_server_says_at_its_end_is_in_both_languages(stage: Stage) -> None:
    stage.say(wire.ErrorMes(409, refusals.SHUTTING_DOWN.en, reconnect=True))
    stage.network.last.server.loseConnection()
    stage.run()
    assert stage.client.why == refusals.SHUTTING_DOWN.en
    assert stage.client.why_zh == refusals.SHUTTING_DOWN.zh


def test_other_errors_of_the_library_are_in_both_languages(stage: Stage) -> None:
    again = Outcome(stage.client.log_in(100, "secret"))
    assert_in_both(again.error)
    late = Outcome(stage.client.send("hello", timeout=1))
    stage.run(1.1)
    assert isinstance(late.error, Unconfirmed)
    assert_in_both(late.error)
    for doubt in Doubt:
        assert_in_both(Untrusted(doubt, "host:1", "SHA256:x", known="SHA256:y"))
    for name, value in vars(words).items():
        if isinstance(value, Words):
            assert CHINESE.search(value.zh), name
    lost = Outcome(stage.client.users())
    stage.run(10.1)
    assert_in_both(lost.error)


def test_the_menus_give_the_reason_in_their_own_language() -> None:
    short = RegisterRefused(506, refusals.password_too_short(6).zh)
    away = NotConnected(words.NOBODY_LISTENS)
    zh, en = texts.translation("zh"), texts.translation("en")
    assert "密码太短, 至少要6个字符" in explain(zh, short)
    assert "password" not in explain(zh, short)
    assert "password too short: at least 6 characters" in explain(en, short)
    assert "连接被拒绝" in explain(zh, away)
    assert "nobody listens there" in explain(en, away)


# ---------------------------------------------------------------- what the user gives

#: Of each argument: what can't be sent, and how it is asked for.
BAD: dict[str, list[object]] = {
    "user_id": ["100", 0, -1, 2**53, 1.0, True, None],
    "to": ["101", 0, None],
    "peer": ["101", 0, 2**60],
    "password": [5, "x" * 1025, "\ud800", b"bytes"],
    "old": [5, None],
    "new": ["é" * 600, None],
    "name": ["", "x" * 33, "a\u202eb", "\u0301a", "e" + "\u0301" * 5, None, 7],
    "invite": ["x" * 257, 7],
    "token": ["x" * 129, 7],
    "content": ["x" * 4001, "a\0b", "\ud800", None, 7, b"bytes"],
    "room": ["Lobby", "", "x" * 33, "-x", 7],
    "message_id": ["", "x" * 65, "a\nb", 7],
    "before": ["yesterday", "1", "1-2-3", 7, "1-2\n"],
    "seq": ["yesterday", "1", 7, None],
    "after": [-1, "1", None],
    "limit": [0, "50", None, True],
}
CALLS: dict[str, Callable[[ChatClient, Any], Deferred[Any]]] = {
    "user_id": lambda client, value: client.register(value, "secret", "Ann"),
    "password": lambda client, value: client.register(100, value, "Ann"),
    "name": lambda client, value: client.register(100, "secret", value),
    "invite": lambda client, value: client.register(100, "secret", "Ann", invite=value),
    "to": lambda client, value: client.send_private(value, "hello"),
    "content": lambda client, value: client.send(value),
    "room": lambda client, value: client.history(room=value),
    "message_id": lambda client, value: client.send("hello", message_id=value),
    "peer": lambda client, value: client.history(peer=value),
    "before": lambda client, value: client.history(before=value),
    "seq": lambda client, value: maybeDeferred(client.mark_read, 101, value),
    "limit": lambda client, value: client.users_page(limit=value),
    "after": lambda client, value: client.users_page(after=value),
    "old": lambda client, value: client.change_password(value, "secret"),
    "new": lambda client, value: client.change_password("secret", value),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in CALLS for value in BAD[name]], ids=repr
)
def test_what_cannot_be_sent_is_refused_in_plain_words_by_its_name(
    stage: Stage, name: str, value: object
) -> None:
    before = len(stage.server.got)
    error = Outcome(CALLS[name](stage.client, value)).error
    assert isinstance(error, Refused)
    assert_in_both(error)
    assert error.text_en.startswith(f"{name}: must be ")
    assert "Expected" not in error.text_en
    assert "$" not in error.text_en
    too_long = value == "x" * 4001
    register = isinstance(error, RegisterRefused)
    assert error.code == (506 if register else 413 if too_long else 400)
    stage.run()
    assert len(stage.server.got) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("user_id", "password", "token") for value in BAD[name]],
    ids=repr,
)
def test_a_login_that_cannot_be_is_refused_likewise(name: str, value: object) -> None:
    arguments: dict[str, Any] = {"user_id": 100, "password": "secret", name: value}
    error = Outcome(Stage().client.log_in(**arguments)).error
    assert isinstance(error, LoginRefused)
    assert_in_both(error)
    assert error.text_en.startswith(f"{name}: must be ")


def test_a_room_and_a_peer_together_are_refused(stage: Stage) -> None:
    error = Outcome(stage.client.history(room="lobby", peer=101)).error
    assert isinstance(error, Refused)
    assert_in_both(error)


#: As good as it may be and a little beyond, in any type.
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.integers(2**53 - 3, 2**53 + 3),
    st.floats(),
    st.text(max_size=40),
    st.text(st.characters(), max_size=5),
    st.sampled_from([4000, 4001, 1024, 1025, 256, 257, 128, 129, 64, 65, 32, 33]).map("x".__mul__),
    st.sampled_from(["é" * 512, "é" * 513, "lobby", "1-0", "0" * 20 + "-1", "a\0", "\ud800"]),
)


def takes(build: Callable[[], wire.Message]) -> bool:
    """Whether a server takes what ``build`` makes."""
    try:
        codec.decode(codec.encode(build()))
    except (ValueError, TypeError, AttributeError, codec.WireError):
        return False
    return True


MESSAGES: dict[str, Callable[[Any], wire.Message]] = {
    "user_id": lambda value: wire.LoginMes(value),
    "to": lambda value: wire.PrivateMes("x", to_user_id=value),
    "peer": lambda value: wire.HistoryMes(peer=value),
    "password": lambda value: wire.LoginMes(1, value),
    "old": lambda value: wire.PasswordMes(value, "x"),
    "new": lambda value: wire.PasswordMes("x", value),
    "name": lambda value: wire.RegisterMes(wire.User(1, "x", value)),
    "invite": lambda value: wire.RegisterMes(wire.User(1, "x", "x"), value),
    "token": lambda value: wire.LoginMes(1, token=value),
    "content": lambda value: wire.SmsMes(value),
    "room": lambda value: wire.SmsMes("x", room=value),
    "message_id": lambda value: wire.SmsMes("x", id=value),
    "before": lambda value: wire.HistoryMes(before=UNSET if value is None else str(value)),
    "seq": lambda value: wire.ReadMes(1, str(value)),
    "after": lambda value: wire.UsersMes(value),
    "limit": lambda value: wire.HistoryMes(limit=value),
}


@given(st.sampled_from(sorted(MESSAGES)), odd)
def test_what_the_client_lets_through_is_what_a_server_takes(name: str, value: object) -> None:
    try:
        check(Refused, **{name: value})
    except Refused:
        is_let_through = False
    else:
        is_let_through = True
    if value is None and is_let_through:
        return  # left out
    # A server takes 1.0 for a number as well; nobody means that.
    if isinstance(value, float):
        assert not is_let_through
    else:
        assert is_let_through == takes(lambda: MESSAGES[name](value))


def test_every_argument_has_been_tried() -> None:
    assert set(MESSAGES) == set(BAD) == set(CALLS) | {"token"}
    assert a_welcome() is not None
