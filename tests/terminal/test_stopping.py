"""Ctrl-Z, and all that stops and continues: whoever gets the terminal finds it as it was."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.terminal.processes import SECONDS, Start, Terminal, command

NOT_STOPPED = "so it is not stopped"
#: Both ways to read from a terminal.
KINDS = ("xterm", "dumb")


def ask_for_password(terminal: Terminal) -> None:
    terminal.until("(1-3):")
    terminal.type("1\r")
    terminal.until("user id")
    terminal.type("100\r")
    terminal.until("password")


def has_echo(terminal: Terminal) -> bool:
    return terminal.echoes


def log_in(terminal: Terminal) -> None:
    """Type a password, and see nothing of it."""
    for key in "123456\r":
        terminal.type(key)
    before, _, _ = terminal.until("(1-7").partition("Welcome")
    assert not re.search("[1-6]", re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", before))


@pytest.mark.parametrize("term", KINDS)
@pytest.mark.parametrize(
    "around",
    [
        pytest.param((), id="alone"),
        pytest.param(("sh", "-c", '"$0" "$@"; exit $?'), id="in a script"),
        pytest.param(("sh", "-c", '"$0" "$@" | cat'), id="with its output in a pipe"),
    ],
)
def test_where_no_shell_could_continue_it_ctrl_z_stops_and_shows_nothing(
    server: str, start: Start, around: tuple[str, ...], term: str
) -> None:
    terminal = start(*around, *command(server), TERM=term)
    ask_for_password(terminal)
    for _ in range(3):
        terminal.type("\x1a")
        terminal.until(NOT_STOPPED)
        assert not has_echo(terminal)
    log_in(terminal)


@pytest.mark.parametrize("term", KINDS)
def test_a_stop_from_elsewhere_is_ignored_in_the_same_way(
    server: str, start: Start, term: str
) -> None:
    terminal = start(*command(server), TERM=term)
    ask_for_password(terminal)
    os.kill(terminal.pid, signal.SIGTSTP)
    terminal.until(NOT_STOPPED)
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.until("password")
    assert not has_echo(terminal)
    log_in(terminal)


def test_what_is_not_stopped_although_it_could_be_takes_the_terminal_again(
    server: str, start: Start
) -> None:
    # As the first process of a container: it looks as if it could be stopped, and it is not.
    changed = (
        "from chatroom.terminal.main import _install_reactor, main; _install_reactor()\n"
        "from chatroom.terminal import running\n"
        "running.can_be_stopped = lambda: True\n"
        f"main(['--server', {server!r}, '--lang', 'en'])"
    )
    terminal = start(command(server)[0], "-c", changed)
    ask_for_password(terminal)
    terminal.type("\x1a")
    terminal.until("password")
    assert not has_echo(terminal)
    log_in(terminal)


@pytest.mark.parametrize("term", KINDS)
@pytest.mark.parametrize("how", ["key", "signal"])
def test_a_shell_gets_its_terminal_back_and_the_password_stays_hidden(
    server: str, start: Start, term: str, how: str
) -> None:
    script = '"$0" "$@"; echo stopped $?; read x; fg >/dev/null; echo left $?; read x'
    shell = start("bash", "--norc", "-mc", script, *command(server), TERM=term)
    ask_for_password(shell)
    if how == "key":
        shell.type("\x1a")
    else:
        os.kill(child_of(shell), signal.SIGTSTP)
    shell.until("stopped 148")
    assert has_echo(shell)
    shell.type("\r")
    shell.until("password")
    assert not has_echo(shell)
    log_in(shell)
    shell.type("4\r")
    shell.until("left 0")
    assert has_echo(shell)


@pytest.mark.parametrize("before", ["", 'trap "" TTOU; '])
def test_begun_in_the_background_it_leaves_the_terminal_as_it_was_when_it_came_to_the_front(
    server: str, start: Start, before: str
) -> None:
    script = before + (
        'stty -echo; "$0" "$@" & until jobs | grep -q Stopped; do sleep 0.1; done; '
        "stty echo; echo now; read x; fg >/dev/null; echo left $?; read x"
    )
    shell = start("bash", "--norc", "-mc", script, *command(server))
    assert "read error" not in shell.until("now")
    assert has_echo(shell)
    shell.type("\r")
    shell.until("(1-3):")
    assert not has_echo(shell)
    shell.type("3\r")
    shell.until("left 0")
    assert has_echo(shell)


def test_continued_in_the_background_it_waits_for_the_front(server: str, start: Start) -> None:
    script = (
        '"$0" "$@"; bg >/dev/null; until jobs | grep -q Stopped; do sleep 0.1; done; '
        "echo waits; read x; fg >/dev/null; echo left $?; read x"
    )
    shell = start("bash", "--norc", "-mc", script, *command(server))
    shell.until("(1-3):")
    shell.type("\x1a")
    shell.until("waits")
    assert has_echo(shell)
    shell.type("\r")
    shell.until("(1-3):")
    shell.type("3\r")
    shell.until("left 0")
    assert has_echo(shell)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_stopped_in_any_way_it_can_be_ended_from_the_background(
    server: str, start: Start, number: int
) -> None:
    script = '"$0" "$@"; kill %1; until jobs | grep "Exit 143"; do sleep 0.1; done; read x'
    shell = start("bash", "--norc", "-mc", script, *command(server))
    shell.until("(1-3):")
    os.kill(child_of(shell), number)
    shell.until("Exit 143")


def test_ctrl_backslash_ends_it_in_good_order(server: str, start: Start) -> None:
    script = 'trap : QUIT; "$0" "$@"; echo left $?; read x'
    shell = start("bash", "--norc", "-c", script, *command(server))
    shell.until("(1-3):")
    shell.type("\x1c")
    shell.until("left 131")
    assert has_echo(shell)


def child_of(shell: Terminal) -> int:
    """The process that the shell started."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
        if children:
            return int(children[0])
    raise AssertionError("the shell has started nothing")
