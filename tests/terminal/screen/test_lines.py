"""Through a pipe or a file: one line is one answer."""

from __future__ import annotations

import io
import os
import pty
import termios
from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatroom.terminal import texts
from chatroom.terminal.screen import (
    BadLine,
    EndOfInput,
    OutputClosed,
    Question,
    Style,
    has_colour,
)
from chatroom.terminal.screen.lines import MAX_LINE, READ_AHEAD, LineScreen
from chatroom.terminal.screen.tty import TtyMode

from .test_terminal import NAME, SECRET, result


class Pipe:
    """Both ends of what the screen reads from and writes to."""

    def __init__(self) -> None:
        self.written = ""
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data.decode()

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def loseConnection(self) -> None:
        self.closed = True


class Stage:
    def __init__(self, encoding: str = "utf-8", **options: Any) -> None:
        self.pipe = Pipe()
        self.errors = io.StringIO()
        self.screen = LineScreen(encoding, self.errors, **options)
        self.screen.transport = cast(Any, self.pipe)

    def answer(self, question: Question = NAME) -> str | Exception | None:
        return result(self.screen.ask(question))


def test_each_line_answers_one_question_whenever_it_came() -> None:
    stage = Stage()
    stage.screen.dataReceived(b"one\ntw")
    assert stage.answer() == "one"
    second = stage.screen.ask(NAME)
    stage.screen.dataReceived(b"o\nthree\n")
    assert result(second) == "two"
    assert stage.answer() == "three"
    assert stage.pipe.written == "name:\n" * 3


def test_blanks_belong_to_the_answer_and_carriage_returns_do_not() -> None:
    stage = Stage()
    stage.screen.dataReceived("  两 边  \r\n\n".encode())
    assert stage.answer() == "  两 边  "
    assert stage.answer() == ""


def test_the_last_line_needs_no_line_end() -> None:
    stage = Stage()
    stage.screen.dataReceived(b"last")
    stage.screen.readConnectionLost()
    assert stage.answer() == "last"
    assert isinstance(stage.answer(), EndOfInput)


def test_end_of_input_ends_the_question_that_waits() -> None:
    stage = Stage()
    waiting = stage.screen.ask(NAME)
    stage.screen.readConnectionLost()
    assert isinstance(result(waiting), EndOfInput)


def test_a_line_that_is_no_text_costs_that_line_only() -> None:
    stage = Stage()
    stage.screen.dataReceived(b"\xff\xfd\nfine\n")
    bad = stage.answer()
    assert isinstance(bad, BadLine)
    assert bad.values == {"encoding": "UTF-8"}
    assert stage.answer() == "fine"


@pytest.mark.parametrize("size", [4001, MAX_LINE + 1, 10 * MAX_LINE])
@pytest.mark.parametrize("end", [b"\nfine\n", b""])
def test_a_line_that_is_too_long_costs_that_line_only(size: int, end: bytes) -> None:
    stage = Stage()
    for start in range(0, size, 5000):
        stage.screen.dataReceived(b"x" * min(5000, size - start))
    if end:
        stage.screen.dataReceived(end)
    stage.screen.readConnectionLost()
    assert isinstance(stage.answer(), BadLine)
    assert stage.answer() == "fine" if end else isinstance(stage.answer(), EndOfInput)


def test_the_longest_message_is_taken_also_in_the_widest_letters() -> None:
    stage = Stage()
    stage.screen.dataReceived(("😀" * 4000 + "\r\n").encode())
    assert stage.answer() == "😀" * 4000


def test_what_is_read_ahead_is_bounded() -> None:
    stage = Stage()
    stage.screen.dataReceived(b"x\n" * READ_AHEAD)
    assert not stage.pipe.reading
    for _ in range(READ_AHEAD):
        assert stage.answer() == "x"
    stage.screen.ask(NAME)
    assert stage.pipe.reading


def test_errors_go_where_errors_go() -> None:
    stage = Stage()
    stage.screen.error("bad")
    stage.screen.show("good", Style.GOOD)
    assert stage.errors.getvalue() == "bad\n"
    assert stage.pipe.written == "good\n"
    stage.errors.close()
    stage.screen.error("nobody hears it")


def test_output_that_nobody_reads_ends_the_questions() -> None:
    stage = Stage()
    waiting = stage.screen.ask(NAME)
    stage.screen.writeConnectionLost()
    assert isinstance(result(waiting), OutputClosed)
    assert isinstance(stage.answer(), OutputClosed)
    stage.screen.show("unseen")
    assert stage.pipe.written == "name:\n"
    assert stage.screen.close().called


def test_a_reader_that_has_enough_when_all_is_done_is_no_loss() -> None:
    stage = Stage()
    stage.screen.dataReceived(b"one\n")
    stage.screen.readConnectionLost()
    assert stage.answer() == "one"
    stage.screen.writeConnectionLost()
    assert isinstance(stage.answer(), EndOfInput)
    assert stage.screen.loss == ""


@pytest.mark.parametrize("waits", [True, False])
def test_a_reader_that_has_enough_before_all_is_done_is_one(waits: bool) -> None:
    stage = Stage()
    if waits:
        stage.screen.ask(NAME)
    stage.screen.writeConnectionLost()
    if not waits:
        assert stage.screen.loss == ""
        stage.screen.dataReceived(b"one\n")
        assert isinstance(stage.answer(), OutputClosed)
    assert stage.screen.loss == texts.OUTPUT_CLOSED


def test_output_that_is_kept_is_lost_if_any_of_it_is() -> None:
    for lost in (False, True):
        stage = Stage(read=False)
        stage.screen.close()
        stage.screen.connectionLost(Failure(ConnectionLost()) if lost else connectionDone)
        assert stage.screen.loss == (texts.OUTPUT_LOST if lost else "")


def test_closing_waits_until_all_is_written() -> None:
    stage = Stage()
    closed = stage.screen.close()
    assert stage.pipe.closed
    assert not closed.called
    stage.screen.connectionLost()
    assert closed.called


def test_letters_that_the_output_does_not_know_become_question_marks() -> None:
    stage = Stage("ascii")
    stage.screen.show("你 ok")
    assert stage.pipe.written == "? ok\n"


def test_a_question_can_be_cancelled() -> None:
    stage = Stage()
    waiting = stage.screen.ask(NAME)
    waiting.cancel()
    assert isinstance(result(waiting), CancelledError)
    stage.screen.dataReceived(b"kept\n")
    assert stage.answer() == "kept"


@pytest.fixture
def typist() -> Any:
    """A screen for a terminal that can't do more than lines."""
    master, slave = pty.openpty()
    stage = Stage(mode=TtyMode(slave, slave), colour=True)
    yield stage, slave
    os.close(master)
    os.close(slave)


def test_a_plain_terminal_hides_passwords_only_while_they_are_typed(
    typist: tuple[Stage, int],
) -> None:
    stage, slave = typist

    def echo() -> bool:
        return bool(termios.tcgetattr(slave)[3] & termios.ECHO)

    waiting = stage.screen.ask(SECRET)
    assert not echo()
    stage.screen.dataReceived(b"123456\n")
    assert result(waiting) == "123456"
    assert echo()
    assert stage.pipe.written == "password: \n"
    stage.screen.ask(SECRET)
    stage.screen.close()
    stage.screen.connectionLost()
    assert echo()


@pytest.mark.parametrize("pieces", [[b"x" * 4095 + b"\n"], [b"x" * 4095, b"more\n"]])
def test_a_line_that_a_terminal_may_have_cut_is_not_taken(
    typist: tuple[Stage, int], pieces: list[bytes]
) -> None:
    stage, _ = typist
    for piece in (*pieces, b"fine\n"):
        stage.screen.dataReceived(piece)
    cut = stage.answer()
    assert isinstance(cut, BadLine)
    assert cut.reason == texts.CUT
    assert stage.answer() == "fine"


def test_a_line_that_a_terminal_handed_over_in_pieces_is_not_cut(
    typist: tuple[Stage, int],
) -> None:
    stage, _ = typist
    # Ctrl-D hands over what was typed so far, and the line goes on.
    stage.screen.dataReceived(b"x" * 2000)
    stage.screen.dataReceived("好".encode() * 1000 + b"\n")
    assert stage.answer() == "x" * 2000 + "好" * 1000


def test_a_plain_terminal_asks_again_after_what_arrives(typist: tuple[Stage, int]) -> None:
    stage, _ = typist
    assert stage.screen.interactive
    stage.screen.show("before")
    waiting = stage.screen.ask(NAME)
    stage.screen.error("news")
    waiting.cancel()
    assert isinstance(result(waiting), CancelledError)
    assert stage.pipe.written == "before\nname: \x1b[31m\nnews\x1b[0m\nname: \n"


@pytest.mark.parametrize(
    ("environ", "is_terminal", "colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    environ: dict[str, str], is_terminal: bool, colour: bool
) -> None:
    assert has_colour(environ, is_terminal) is colour
