"""The ``chatroom`` command against a real server: through a pipe, from a file, on a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from chatroom.protocol import messages as wire
from tests import forked
from tests.ports import own_port
from tests.system.console import Console, Pipe, Terminal, command, locale
from tests.system.lab import Ended, Lab, Server, until
from tests.wire import PASSWORD, PATIENCE, WireClient

NewUser = Callable[[], int]

#: Choices of the menus.
LOG_IN, REGISTER, EXIT = "1", "2", "3"
ONLINE, SEND, MESSAGES, LEAVE, PRIVATE, STATUS = "1", "2", "3", "4", "5", "6"
ID_TAKEN = "This user id is taken, choose another (2), or log in with it (1)"


@pytest.fixture
def script(server: Server) -> Callable[..., Ended]:
    """Gives lines to ``chatroom`` through a pipe, all at once, to its end."""

    def script(*lines: str, port: int = 0, language: str = "en", newline: str = "\n") -> Ended:
        ran = subprocess.run(
            [*forked.python, *command(port or server.port, "--lang", language)],
            input="".join(line + newline for line in lines).encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            env=locale(),
        )
        return Ended(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    return script


Script = Callable[..., Ended]


def _registration(user_id: int, name: str) -> list[str]:
    return [REGISTER, str(user_id), PASSWORD, name]


def _login(user_id: int) -> list[str]:
    return [LOG_IN, str(user_id), PASSWORD]


@pytest.fixture
def registered(connect: Callable[[], WireClient], new_user: NewUser) -> int:
    """The id of somebody who has an account."""
    user_id = new_user()
    assert connect().register(user_id, "somebody") == 200
    return user_id


# ---------------------------------------------------------------- all at once, through a pipe


def test_a_whole_script_works_whatever_the_timing(
    script: Script, new_user: NewUser, connect: Callable[[], WireClient]
) -> None:
    listener, user_id = connect().enter(new_user()), new_user()
    lines = [*_registration(user_id, "alice"), *_login(user_id), ONLINE, SEND, "hello  world "]
    ended = script(*lines, MESSAGES, LEAVE)
    assert (ended.status, ended.errors) == (0, "")
    said = ended.output
    assert "Registered. Now log in" in said
    assert "-------Welcome alice, you are logged in---------" in said
    assert f"User id:\t {listener.user_id}" in said
    assert said.index("Sent") < said.index("Messages:") < said.index("hello  world ", 1)
    assert said.rstrip().endswith("You left the chat room...")
    assert PASSWORD not in said
    # A whole line is one message, blanks included.
    assert listener.hears("hello  world ").user_id == user_id


def test_in_chinese_it_has_the_original_words(script: Script, new_user: NewUser) -> None:
    user_id = new_user()
    lines = [*_registration(user_id, "小明"), *_login(user_id), ONLINE, SEND, "大家好", LEAVE]
    ended = script(*lines, language="zh")
    assert (ended.status, ended.errors) == (0, "")
    for words in (
        "----------------欢迎登陆多人聊天系统------------\n\t\t\t 1 登陆聊天室\n",
        "注册成功, 你重新登录一把",
        "-------恭喜小明登录成功---------",
        "-------1. 显示在线用户列表---------\n-------2. 发送消息---------\n",
        "当前在线用户列表:",
        "你想对大家说的什么:)",
        "你选择退出了系统...",
    ):
        assert words in ended.output


def test_lines_may_end_as_on_windows(script: Script, registered: int) -> None:
    ended = script(*_login(registered), SEND, "hello", LEAVE, newline="\r\n")
    assert (ended.status, ended.errors) == (0, "")
    assert "Sent" in ended.output


def test_end_of_input_finishes_what_is_under_way_and_leaves(
    script: Script, registered: int, connect: Callable[[], WireClient], new_user: NewUser
) -> None:
    listener = connect().enter(new_user())
    ended = script(*_login(registered), SEND, "the very last")
    assert (ended.status, ended.errors) == (0, "")
    listener.hears("the very last")


def test_no_input_at_all_is_no_failure(script: Script) -> None:
    assert script().status == 0


def test_a_refused_login_at_the_end_of_input_is_a_failure(script: Script, registered: int) -> None:
    ended = script(LOG_IN, str(registered), "wrong password")
    assert ended.status == 1
    assert ended.errors == "Wrong password, log in again (choose 1)\n"


def test_a_login_that_succeeds_makes_up_for_what_was_refused_before(
    script: Script, registered: int
) -> None:
    refused = [*_registration(registered, "somebody else"), LOG_IN, str(registered), "wrong one"]
    ended = script(*refused, *_login(registered), LEAVE)
    assert ended.status == 0
    assert ended.errors.splitlines() == [ID_TAKEN, "Wrong password, log in again (choose 1)"]


def test_nobody_there_to_log_in_as(script: Script, new_user: NewUser) -> None:
    ended = script(*_login(new_user()))
    assert ended.status == 1
    assert ended.errors == "No such user, register first (choose 2)\n"


def test_an_id_that_is_taken(script: Script, registered: int) -> None:
    ended = script(*_registration(registered, "somebody else"))
    assert ended.status == 1
    assert ended.errors == ID_TAKEN + "\n"


def test_a_password_that_is_too_short(script: Script, new_user: NewUser) -> None:
    ended = script(REGISTER, str(new_user()), "short", "name")
    assert ended.status == 1
    assert "at least 6 characters" in ended.errors


def test_no_server_there(script: Script) -> None:
    ended = script(LOG_IN, port=1)
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith("Can't reach the server 127.0.0.1:1: ")
    assert ended.errors.count("\n") == 1


def test_a_message_to_nobody_fails_and_the_rest_goes_on(
    script: Script, registered: int, new_user: NewUser
) -> None:
    ended = script(*_login(registered), PRIVATE, str(new_user()), "hello?", SEND, "on", LEAVE)
    assert ended.status == 1
    assert ended.errors == "No such user, the message was not sent\n"
    assert "Sent" in ended.output


def test_a_file_may_be_the_input(lab: Lab, server: Server, registered: int) -> None:
    file = lab.folder / "script"
    file.write_text("\n".join([*_login(registered), SEND, "from a file", LEAVE]))
    with file.open() as lines:
        ran = subprocess.run(
            command(server.port), stdin=lines, capture_output=True, timeout=PATIENCE, env=locale()
        )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "已发送" in ran.stdout.decode()


def test_python_dash_m_is_the_same(server: Server, registered: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "chatroom", "--server", f"tcp:127.0.0.1:{server.port}"],
        input="\n".join([*_login(registered), LEAVE]).encode(),
        capture_output=True,
        timeout=PATIENCE,
        env=locale("en_US.UTF-8"),
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"Welcome somebody" in ran.stdout


def test_control_characters_from_others_are_harmless(
    server: Server, registered: int, connect: Callable[[], WireClient], new_user: NewUser
) -> None:
    mallory = connect().enter(new_user())
    with Pipe(server.port) as pipe:
        pipe.type(*_login(registered))
        pipe.sees("Choose (1-7):")
        mallory.say("\x1b[2J\x1b]0;gone\x07\nYou left the chat room...\x9b1m end")
        pipe.sees(" end")
        assert "\x1b" not in pipe.said
        assert "\x07" not in pipe.said
        assert "\x9b" not in pipe.said
        assert "\nYou left" not in pipe.said


# ---------------------------------------------------------------- the first conversation


@pytest.mark.parametrize("console", [Pipe, Terminal])
def test_the_first_conversation(lab: Lab, console: type[Pipe] | type[Terminal]) -> None:
    here = ("--listen", f"tcp:{own_port()}:interface=127.0.0.1")
    server = lab.server(listen=here)
    with ExitStack() as stack:

        def enter(*lines: str, language: str = "en") -> Console:
            person = stack.enter_context(console(server.port, language=language))
            person.type(*lines)
            return person

        alice = enter(*_registration(100, "alice"), *_login(100))
        alice.sees("Welcome alice")
        bob = enter(*_registration(101, "bob"), *_login(101), language="zh")
        bob.sees("恭喜bob登录成功")
        alice.sees("came online")
        alice.type(ONLINE)
        alice.sees("Online now:")
        alice.sees("101")
        # To the group, both ways.
        alice.type(SEND, "hello, 大家好")
        bob.sees("对大家说:\thello, 大家好")
        bob.type(SEND, "hello yourself")
        alice.sees("says to everybody:\thello yourself")
        # In private, both ways.
        alice.type(PRIVATE, "101", "psst")
        bob.sees("对你说:\tpsst")
        bob.type(PRIVATE, "100", "what?")
        alice.sees("says to you:\twhat?")
        # To one who is away.
        bob.type(LEAVE)
        assert bob.ends() == 0
        alice.sees("left")
        alice.type(PRIVATE, "101", "are you there?")
        alice.sees("kept until they come back")
        bob = enter(*_login(101))
        bob.sees("while you were away: 1")
        bob.sees("are you there?")
        bob.type(LEAVE)
        assert bob.ends() == 0
        alice.type(PRIVATE, "101", "still unread")
        alice.sees("kept until they come back")
        # The server is killed, and comes back: so does who is there, by itself.
        server.kill()
        again = lab.server(data=server.data, listen=here)
        bob = enter(*_login(101))
        bob.sees("came while you were away")
        bob.sees("still unread")
        if console is Terminal:
            alice.sees("Connected again")
            bob.type(SEND, "after the crash")
            alice.sees("after the crash")
        again.stop()


def test_a_script_that_ends_while_the_server_is_gone_fails_with_a_reason(lab: Lab) -> None:
    # A port that nobody else is given meanwhile.
    server = lab.server(listen=("--listen", f"tcp:{own_port()}:interface=127.0.0.1"))
    with Pipe(server.port) as pipe:
        pipe.type(*_registration(100, "alice"), *_login(100))
        pipe.sees("Choose (1-7):")
        server.kill()
        pipe.sees("Connection lost, connecting again...")
        pipe.end_of_input()
        assert pipe.ends() == 1
        assert pipe.errors.startswith("Not connected to the server: ")
        assert pipe.errors.count("\n") == 1


# ---------------------------------------------------------------- on a terminal


@pytest.fixture
def terminal(server: Server) -> Iterator[Terminal]:
    with Terminal(server.port) as terminal:
        terminal.sees("Choose (1-3):")
        yield terminal


def test_a_password_is_not_shown(terminal: Terminal, registered: int) -> None:
    terminal.type(*_login(registered))
    terminal.sees("Welcome somebody")
    assert str(registered) in terminal.said
    assert PASSWORD not in terminal.said


def test_what_is_typed_can_be_corrected(
    terminal: Terminal, registered: int, connect: Callable[[], WireClient], new_user: NewUser
) -> None:
    listener = connect().enter(new_user())
    terminal.type(*_login(registered))
    terminal.type(SEND)
    terminal.sees("What do you want to say")
    terminal.press("hellp好\x7f\x7fo")
    terminal.press("\x1b[D\x1b[D\x1b[D\x1b[D\x1b[DO")
    terminal.type("")
    listener.hears("Ohello")


def test_what_arrives_does_not_tear_what_is_being_typed(
    terminal: Terminal, registered: int, connect: Callable[[], WireClient], new_user: NewUser
) -> None:
    talker = connect().enter(new_user(), "talker")
    terminal.type(*_login(registered), SEND)
    terminal.sees("What do you want to say")
    terminal.press("half a sen")
    terminal.sees("half a sen")
    assert talker.say("in between").code == 200
    terminal.sees("in between")
    # What was typed so far stands below, and is gone on with.
    terminal.sees("half a sen")
    terminal.type("tence")
    talker.hears("half a sentence")


def test_after_a_refused_login_a_person_can_try_again(terminal: Terminal, registered: int) -> None:
    terminal.type(LOG_IN, str(registered), "wrong password")
    terminal.sees("Wrong password")
    terminal.type(*_login(registered))
    terminal.sees("Welcome somebody")
    terminal.type(LEAVE)
    assert terminal.ends() == 0


def test_busy_is_seen_by_others(
    terminal: Terminal, registered: int, connect: Callable[[], WireClient], new_user: NewUser
) -> None:
    other = connect().enter(new_user())
    terminal.type(*_login(registered), STATUS)
    terminal.sees("Your status now: busy")
    until(lambda: other.online()[registered] == wire.Status.BUSY)
    terminal.type(STATUS)
    terminal.sees("Your status now: online")
    until(lambda: other.online()[registered] == wire.Status.ONLINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    terminal: Terminal, number: signal.Signals
) -> None:
    terminal.type(LOG_IN, "100")
    terminal.sees("Your password")
    assert terminal.is_changed()
    terminal.send_signal(number)
    assert terminal.ends() == 128 + number
    assert not terminal.is_changed()
    assert "Traceback" not in terminal.said


def test_ctrl_c_and_ctrl_d_end_it(server: Server) -> None:
    for key, status in (("\x03", 130), ("\x04", 0)):
        with Terminal(server.port) as terminal:
            terminal.sees("Choose (1-3):")
            terminal.press(key)
            assert terminal.ends() == status
            assert not terminal.is_changed()
