"""The menus: what is asked, what is done with it, and what the exit status is."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from chatroom.client.base.errors import (
    ChatError,
    LoginRefused,
    NotConnected,
    PasswordRefused,
    RegisterRefused,
    SendRefused,
    Unconfirmed,
)
from chatroom.client.base.model import Login, Sent, State
from chatroom.protocol.messages import Seq, UsersResMes
from chatroom.protocol.refusals import INVITATION_NEEDED
from chatroom.terminal import texts
from chatroom.terminal.screen import BadLine, OutputClosed

from .menu_stage import GONE, MING, TOM, Stage, private

IN = "1 100 123456 "


def test_the_original_screens_are_as_they_were() -> None:
    stage = Stage(["1", "100", "123456", "1", "2", "hello", "9", "4"], language="zh")
    assert stage.screen.said == [
        FIRST_MENU,
        "-------恭喜Tom登录成功---------",
        "当前在线1人",
        MENU,
        "当前在线用户列表:\n用户id:\t 100 Tom (你)\n用户id:\t 101 小明 [忙碌]",
        MENU,
        "已发送",
        MENU,
        "你输入的选项不正确..",
        MENU,
        "你选择退出了系统...",
    ]
    assert [question.prompt for question in stage.screen.questions] == [
        "\t\t\t 请选择(1-3):",
        "请输入用户的id",
        "请输入用户的密码",
        "请选择(1-7):",
        "请选择(1-7):",
        "你想对大家说的什么:)",
        "请选择(1-7):",
        "请选择(1-7):",
    ]


FIRST_MENU = (
    "----------------欢迎登陆多人聊天系统------------\n"
    "\t\t\t 1 登陆聊天室\n"
    "\t\t\t 2 注册用户\n"
    "\t\t\t 3 退出系统"
)
MENU = (
    "-------1. 显示在线用户列表---------\n"
    "-------2. 发送消息---------\n"
    "-------3. 信息列表---------\n"
    "-------4. 退出系统---------\n"
    "-------5. 私聊---------\n"
    "-------6. 切换状态(在线/忙碌)---------\n"
    "-------7. 修改密码---------"
)


def test_a_person_sees_the_menu_at_the_login_and_on_demand() -> None:
    stage = Stage(
        [*IN.split(), "1", "2", "hello", "", "9", "？", "4"], language="zh", interactive=True
    )
    hint = "(输入?或者直接回车, 就再显示菜单)"
    assert stage.screen.said[1:] == [
        "-------恭喜Tom登录成功---------",
        "当前在线1人",
        f"{MENU}\n{hint}",
        "当前在线用户列表:\n用户id:\t 100 Tom (你)\n用户id:\t 101 小明 [忙碌]",
        "已发送",
        f"{MENU}\n{hint}",
        *("你输入的选项不正确..", hint),
        f"{MENU}\n{hint}",
        "你选择退出了系统...",
    ]
    assert {question.prompt for question in stage.screen.questions[3:]} == {
        "请选择(1-7):",
        "你想对大家说的什么:)",
    }


def test_a_script_finds_the_menu_before_each_choice_and_no_other_words() -> None:
    stage = Stage(["1", "100", "123456", "", "?", "4"], language="zh")
    assert stage.screen.said[3:] == [
        *(MENU, "你输入的选项不正确.."),
        *(MENU, "你输入的选项不正确.."),
        *(MENU, "你选择退出了系统..."),
    ]


def test_a_person_is_reminded_of_what_is_unread() -> None:
    stage = Stage(IN.strip(), ends=False, interactive=True)
    stage.arrive(private(5), private(6))
    stage.screen.answer("6")
    assert stage.screen.questions[-1].prompt == "(2 unread) Choose (1-7):"


def test_a_script_registers_logs_in_speaks_and_leaves() -> None:
    stage = Stage(["2", "100", "123456", " Tom ", *IN.split(), "2", " hello  all ", "4"])
    assert stage.status == 0
    assert stage.called("register") == [(100, "123456", "Tom")]
    assert stage.called("log_in") == [(100, "123456")]
    assert stage.called("send") == [(" hello  all ",)]
    assert stage.called("log_out") == stage.called("close") == [()]
    assert [question.prompt for question in stage.screen.questions if question.secret] == [
        "New password:",
        "Your password",
    ]


def test_a_line_that_is_no_choice_fails_a_script_and_not_a_person() -> None:
    for answers, told in ((["x" * 50 + "\x1b", "3"], "x" * 40), ([*IN.split(), "hi", "4"], "hi")):
        stage = Stage([*answers])
        assert stage.status == 1
        (error,) = stage.screen.errors
        assert error.startswith("This line of the script is not one of the choices, ")
        assert error.endswith(f": {told}")
        person = Stage([*answers], interactive=True)
        assert (person.status, person.screen.errors) == (0, [])


def test_an_empty_line_where_something_is_chosen_fails_nothing() -> None:
    stage = Stage(["", *IN.split(), " ", "4"])
    assert (stage.status, stage.screen.errors) == (0, [])


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        (["1"], "Your user id"),
        (["1", "100"], "Your password"),
        (["2", "100", "123456"], "Your name (nickname):"),
        ([*IN.split(), "2"], "What do you want to say to everybody :)"),
        ([*IN.split(), "5", "101"], "What do you want to say to them :)"),
        ([*IN.split(), "7", "123456", "better"], "The new password once more:"),
    ],
)
def test_a_script_that_ends_in_the_middle_of_something_has_failed(
    answers: list[str | Exception], missing: str
) -> None:
    stage = Stage(answers)
    assert stage.status == 1
    assert stage.screen.errors == [
        f"The input ended where one more answer was wanted, so that was not done: {missing}"
    ]
    assert Stage([*answers], interactive=True).status == 0


def test_full_width_digits_are_digits() -> None:
    stage = Stage(["１", " １００ ", "123456", "４"])
    assert stage.called("log_in") == [(100, "123456")]
    assert stage.status == 0


def test_leaving_at_the_first_menu_logs_nobody_out() -> None:
    stage = Stage("3")
    assert stage.status == 0
    assert stage.called("log_out") == []
    assert stage.called("close") == [()]


@pytest.mark.parametrize("interactive", [False, True])
def test_a_server_out_of_reach_is_one_line_and_status_1(interactive: bool) -> None:
    stage = Stage("1", connect=GONE, interactive=interactive)
    assert stage.status == 1
    assert stage.screen.errors == ["Can't reach the server host:1: connection refused"]
    assert stage.screen.said == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LoginRefused(403, "you are banned", until=0), "Login failed: you are banned"),
        (LoginRefused(505), "The server can't reach its data just now, try again later"),
        (LoginRefused(429), "Too many tries, wait a little and try again"),
        (LoginRefused(429, retry_after=7.0), "Too many tries, try again in 7 seconds"),
        (LoginRefused(400, "odd\x1b"), "Login failed: odd␛"),
        (ChatError("strange"), "The server refused: strange"),
    ],
)
def test_a_refused_login_says_what_to_do_and_is_status_1_at_the_end(
    error: ChatError, told: str
) -> None:
    stage = Stage(IN.strip(), log_in=error)
    assert stage.screen.errors == [told]
    assert stage.status == 1
    assert Stage(IN.strip(), log_in=error, interactive=True).status == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RegisterRefused(506, "the password is too short"),
            "Registration failed, try again (choose 2): the password is too short",
        ),
        (RegisterRefused(400, "odd"), "Registration failed, try again (choose 2): odd"),
    ],
)
def test_a_refused_registration_comes_back_to_the_first_menu(error: ChatError, told: str) -> None:
    stage = Stage(["2", "100", "12345", "Tom"], register=error)
    assert stage.screen.errors == [told]
    assert len(stage.screen.questions) == 5
    assert stage.status == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SendRefused(507), "Their mailbox is full, the message was not sent"),
        (SendRefused(413), "The message is too long and was not sent"),
        (SendRefused(400, "odd"), "The server refused: odd"),
    ],
)
def test_a_refused_message_is_told_and_is_status_1(error: ChatError, told: str) -> None:
    stage = Stage(IN + "5 101 hi 4", send_private=error)
    assert stage.screen.errors == [told]
    assert stage.status == 1


def test_a_private_message_says_whether_it_was_delivered_or_kept() -> None:
    stage = Stage(IN + "5 101 hi 4")
    assert stage.called("send_private") == [(101, "hi")]
    assert "Delivered" in stage.screen.said
    # Who answers has seen what there was.
    assert stage.called("mark_read") == [(101, "9-0")]
    stage = Stage(IN + "5 101 hi 4", send_private=Sent("id", Seq(9, 0), 202))
    assert "Not online now; kept until they come back" in stage.screen.said


@pytest.mark.parametrize("answers", [["2", ""], ["5", "101", ""]])
def test_nothing_typed_is_nothing_sent(answers: list[str]) -> None:
    stage = Stage([*IN.split(), *answers, "4"])
    assert stage.called("send") == stage.called("send_private") == []
    assert "Nothing typed, nothing sent" in stage.screen.said
    assert stage.status == 0


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["1", "Tom", "123456"], "A user id is a positive whole number"),
        (["1", "0", "123456"], "A user id is a positive whole number"),
        (["1", str(2**53), "123456"], "A user id is a positive whole number"),
        (["1", "100", ""], "A password can't be empty, and has at most 1024 bytes"),
        (["1", "100", "x" * 1025], "A password can't be empty, and has at most 1024 bytes"),
        (["2", "100", "123456", " "], "A name has 1 to 32 visible characters"),
        (["2", "100", "123456", "a\u202eb"], "A name has 1 to 32 visible characters"),
        (
            ["1", BadLine(texts.NOT_TEXT, encoding="UTF-8"), "123456"],
            "This line is not valid UTF-8 text and was not used",
        ),
    ],
)
def test_an_answer_that_will_not_do_comes_back_to_the_menu(
    answers: list[str | Exception], told: str
) -> None:
    stage = Stage([*answers, *IN.split(), "4"])
    assert stage.screen.errors == [told]
    assert stage.called("log_in") == [(100, "123456")]


def test_a_person_is_told_at_once_and_asked_no_more() -> None:
    stage = Stage(["1", "Tom", "3"], interactive=True)
    assert len(stage.screen.errors) == 1
    assert stage.status == 0


def test_a_choice_that_is_no_text_is_asked_for_again() -> None:
    stage = Stage([BadLine(texts.TOO_LONG, limit=4000), "3"])
    assert stage.screen.errors == [
        "This line is too long and was not used, at most 4000 characters"
    ]
    assert stage.status == 1


def test_a_nul_is_not_sent() -> None:
    stage = Stage([*IN.split(), "2", "a\0b", "2", "fine", "4"])
    assert stage.called("send") == [("fine",)]
    assert len(stage.screen.errors) == 1


def test_the_status_changes_with_each_choice() -> None:
    stage = Stage(IN + "6 1 6 4")
    assert "User id:\t 100 Tom [busy] (you)" in stage.said
    assert stage.called("set_status") == [(True,), (False,)]
    assert stage.screen.said.count("Your status now: busy") == 1
    assert stage.screen.said.count("Your status now: online") == 1


def test_a_list_that_is_too_long_says_how_many_more_there_are() -> None:
    stage = Stage(IN + "1 4", users_page=UsersResMes([TOM, MING], 700))
    assert "User id:\t 101 小明 [busy]\nand 698 more online" in stage.said


@pytest.mark.parametrize("error", [NotConnected("gone"), Unconfirmed("no answer")])
def test_a_server_that_goes_ends_a_script_and_not_a_person(error: ChatError) -> None:
    stage = Stage(IN + "2 hello 2 again 4", send=error)
    assert stage.status == 1
    assert len(stage.screen.errors) == 1
    assert len(stage.called("send")) == 1
    stage = Stage(IN + "2 hello 2 again 4", send=error, interactive=True)
    assert stage.status == 0
    assert len(stage.called("send")) == 2


def test_end_of_input_leaves_in_good_order() -> None:
    stage = Stage(IN + "2 hello")
    assert stage.status == 0
    assert stage.called("log_out") == [()]
    assert "You left" not in stage.said
    assert "You left" in Stage(IN.strip(), interactive=True).said


@pytest.mark.parametrize("last", ["", "4"])
def test_a_script_that_ends_without_a_connection_is_status_1(last: str) -> None:
    stage = Stage(IN.strip(), ends=False)
    stage.client.become(State.RECONNECTING)
    stage.screen.ends = True
    stage.screen.answer(last)
    assert stage.status == 1
    assert stage.screen.errors == ["Not connected to the server: the server is gone"]
    assert stage.called("log_out") == []


def test_output_that_nobody_reads_ends_quietly() -> None:
    stage = Stage([*IN.split(), OutputClosed()])
    assert stage.status == 0
    assert stage.screen.errors == []
    assert stage.called("close") == [()]


def test_what_fails_while_leaving_is_not_told() -> None:
    stage = Stage(IN + "4", log_out=NotConnected("gone"), close=ChatError("odd"))
    assert stage.status == 0
    assert stage.screen.errors == []


def test_a_connection_that_ends_for_good_ends_a_script_that_waits() -> None:
    stage = Stage(IN.strip(), ends=False)
    stage.screen.waiting = None
    stage.client.become(State.OFFLINE)
    assert stage.status == 1
    assert stage.screen.errors == ["Not connected to the server: the server is gone"]


def test_a_connection_that_ends_for_good_lets_a_script_ask_no_more() -> None:
    sending: Deferred[Any] = Deferred()
    stage = Stage(IN + "2 hello", ends=False, send=sending)
    stage.client.become(State.OFFLINE)
    sending.callback(None)
    assert stage.status == 1


def test_a_connection_that_ends_for_good_brings_a_person_back_to_the_first_menu() -> None:
    stage = Stage(IN.strip(), ends=False, interactive=True)
    stage.client.become(State.OFFLINE)
    assert stage.screen.errors == ["The connection to the server has ended: the server is gone"]
    stage.screen.answer("2")
    assert stage.screen.questions[-1].prompt == "\t\t\t Choose (1-3):"
    stage.screen.answer("3")
    assert stage.status == 0


def test_why_a_connection_ended_is_told_in_the_language_of_the_menus() -> None:
    stage = Stage(IN.strip(), ends=False, interactive=True, language="zh")
    stage.client.become(State.OFFLINE)
    assert stage.screen.errors == ["和服务器的连接结束了: 服务器不在了"]


@pytest.mark.parametrize("interactive", [True, False])
def test_a_connection_that_ends_at_the_first_menu_is_no_news(interactive: bool) -> None:
    stage = Stage([], ends=False, interactive=interactive)
    stage.client.become(State.OFFLINE)
    for answer in IN.split():
        stage.screen.answer(answer)
    assert "-------Welcome Tom, you are logged in---------" in stage.screen.said
    assert stage.screen.errors == []
    stage.screen.answer("4")
    assert stage.status == 0


def test_a_script_that_ends_at_the_first_menu_is_no_failure() -> None:
    stage = Stage([], ends=False)
    stage.client.become(State.OFFLINE)
    stage.screen.ends = True
    stage.screen.answer("")
    assert stage.status == 0


def test_a_server_that_is_gone_by_the_time_somebody_logs_in_is_told_then() -> None:
    stage = Stage([], ends=False, interactive=True, log_in=GONE)
    stage.client.become(State.OFFLINE)
    for answer in IN.split():
        stage.screen.answer(answer)
    assert stage.screen.errors == ["Not connected to the server: connection refused"]
    assert stage.screen.questions[-1].prompt == "\t\t\t Choose (1-3):"


def test_the_second_end_of_a_connection_is_told_as_the_first() -> None:
    stage = Stage(IN.strip(), ends=False, interactive=True)
    stage.client.become(State.OFFLINE)
    stage.screen.answer("x")
    for answer in IN.split():
        stage.screen.answer(answer)
    stage.client.become(State.ONLINE)
    stage.client.become(State.OFFLINE)
    assert len(stage.screen.errors) == 2


# ---------------------------------------------------------------- passwords and invitations


def test_a_password_is_changed() -> None:
    stage = Stage(IN + "7 123456 better better 4")
    assert stage.called("change_password") == [("123456", "better")]
    assert "Password changed" in stage.said
    assert [question.secret for question in stage.screen.questions[4:7]] == [True] * 3
    assert stage.status == 0


def test_a_new_password_that_is_not_the_same_twice_is_not_taken() -> None:
    stage = Stage(IN + "7 123456 better bitter 4", interactive=True)
    assert stage.called("change_password") == []
    assert stage.screen.errors == [
        "The new password was not the same both times; nothing was changed"
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PasswordRefused(403), "That is not your password now; nothing was changed"),
        (PasswordRefused(429, retry_after=7), "Too many tries, try again in 7 seconds"),
        (PasswordRefused(506, "too short"), "The password was not changed: too short"),
    ],
)
def test_a_password_that_is_not_changed_says_why(error: ChatError, said: str) -> None:
    stage = Stage(IN + "7 123456 better better 4", interactive=True, change_password=error)
    assert stage.screen.errors == [said]


def test_an_invitation_goes_with_the_registration() -> None:
    stage = Stage("2 100 123456 Tom", invite="hush")
    assert stage.called("register") == [(100, "123456", "Tom", "hush")]


def test_who_needs_an_invitation_is_told_what_to_do() -> None:
    error = RegisterRefused(506, INVITATION_NEEDED.zh)
    stage = Stage("2 100 123456 Tom 3", interactive=True, register=error)
    [said] = stage.screen.errors
    assert "chatroom --invite SECRET" in said


def test_a_signal_leaves_in_good_order() -> None:
    stage = Stage(IN.strip(), ends=False)
    failures: list[Failure] = []
    stage.running.addErrback(failures.append)
    stage.running.cancel()
    assert failures[0].check(CancelledError)
    assert stage.called("log_out") == stage.called("close") == [()]


def test_names_of_others_are_made_harmless() -> None:
    stage = Stage(IN + "4", log_in=Login(100, "T\x1bm\n", "token", [], 1, 0, {}))
    assert "-------Welcome T␛m, you are logged in---------" in stage.screen.said
