"""The command as it is run: through pipes and files, and in a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from chatroom import __version__
from chatroom.terminal.main import arguments, main
from tests.terminal.processes import IN, SECONDS, Start, altered, chat, command, forked, log_in

#: What only reads and writes runs in a fork; the rest as people start it, by a whole interpreter.
pytestmark = pytest.mark.usefixtures("forking")

# ---------------------------------------------------------------- pipes and files


def until_read(pipe: IO[bytes]) -> None:
    """Wait until the other end has read all that was written."""
    end = time.monotonic() + SECONDS
    while any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))):
        assert time.monotonic() < end, "nobody reads it"
        time.sleep(0.01)


def test_lines_that_come_late_and_in_pieces_are_the_same_answers(server: str) -> None:
    process = subprocess.Popen(forked(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    for piece in (b"1\r\n10", b"0\r", b"\n123456\n", b"2\nhel", b"lo", b"\n4\n"):
        process.stdin.write(piece)
        process.stdin.flush()
        until_read(process.stdin)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert b"\nSent\n" in out


@pytest.mark.parametrize("closed", ["<&-", "</dev/null", "<&- >&- 2>&-", ">/dev/null"])
def test_no_input_and_no_output_are_no_error(server: str, closed: str) -> None:
    line = f'"$0" "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, *command(server)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_in_letters_that_the_locale_lacks_is_no_error(server: str) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = chat(server, IN + "4\n", "--lang", "zh", start=command, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Tom" in done.stdout


def test_what_goes_on_inside_can_be_written_down(server: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert chat(server, "3\n", "--log", str(log)).returncode == 0
    assert log.exists()


@pytest.mark.parametrize("more", [["--log", "/nowhere/log"], ["--server", "nonsense:x:y"]])
def test_what_can_not_work_is_one_line(more: list[str]) -> None:
    done = chat("localhost:1", "3\n", *more)
    assert done.returncode == 2
    assert done.stderr.startswith("chatroom: ")
    assert done.stderr.count("\n") == 1


def test_an_error_of_the_program_is_one_line_too(server: str) -> None:
    broken = (
        "async def broken(self): raise ZeroDivisionError('odd')\nmenus.Menus._converse = broken"
    )
    done = altered(broken, server, "")
    assert (done.returncode, done.stderr) == (1, "Internal error: odd\n")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_it_in_good_order(server: str, number: int, status: int) -> None:
    process = subprocess.Popen(
        command(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (status, b"")


def test_a_signal_that_was_ignored_before_stays_so(server: str) -> None:
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$0" "$@"', *command(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(b"3\n", timeout=SECONDS)
    assert process.returncode == 0


# ---------------------------------------------------------------- arguments


@pytest.fixture
def interrupt() -> Iterator[None]:
    """Puts back what Ctrl-C does to the tests."""
    found = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, found)


@pytest.mark.usefixtures("interrupt")
def test_the_version_and_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"chatroom {__version__}\n"
    for language, words in (("en", "the server: HOST:PORT"), ("zh", "服务器: HOST:PORT")):
        with pytest.raises(SystemExit):
            main(["--help", "--lang", language])
        out = capsys.readouterr().out
        assert words in out
        assert "localhost:8889" in out


def test_the_language_comes_from_the_locale_unless_it_is_given() -> None:
    assert arguments([], {"LANG": "en_US.UTF-8"}).lang == "en"
    assert arguments([], {}).lang == "zh"
    assert arguments(["--lang", "en"], {}).lang == "en"
    assert arguments([], {}).server == "localhost:8889"
    assert arguments([], {}).invite is None
    assert arguments(["--invite", "hush"], {}).invite == "hush"


def test_a_language_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        arguments(["--lang", "fr"], {})
    assert left.value.code == 2
    assert "'zh'" in capsys.readouterr().err


# ---------------------------------------------------------------- a terminal


def test_a_new_size_wraps_what_is_typed_anew(server: str, start: Start) -> None:
    tom = start(*command(server))
    log_in(tom)
    tom.type("a line of some length")
    tom.until("a line of some length")
    tom.resize(20, 20)
    tom.until("a line")
    tom.type("\x153\r4\r")
    tom.until("You left")
    assert tom.status() == 0


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_can_do_little_gets_plain_lines(
    server: str, start: Start, environ: dict[str, str]
) -> None:
    tom = start(*command(server), **environ)
    seen = log_in(tom)
    assert "123456" not in seen
    assert "\x1b" not in seen
    tom.type("\x04")
    tom.until("You left")
    assert tom.status() == 0


def test_a_terminal_that_is_closed_ends_it(server: str, start: Start) -> None:
    tom = start(*command(server))
    log_in(tom)
    os.close(tom.fd)
    tom.fd = os.open(os.devnull, os.O_RDONLY)
    assert tom.status() in (0, 129)


def test_a_second_ctrl_c_does_not_wait(mortal_server: str, start: Start) -> None:
    tom = start(*command(mortal_server))
    log_in(tom)
    tom.type("2\r")
    tom.until("everybody")
    tom.type("die\r")
    tom.until("Connection lost")
    tom.type("\x03")
    time.sleep(0.2)
    tom.type("\x03")
    # The second one may come when the first has ended it but for its last breath.
    assert tom.status() in (130, -signal.SIGINT)
