"""On a terminal: what a person sees while typing, and while something arrives."""

from __future__ import annotations

import os
import pty
import termios
from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from chatroom.terminal.screen import BadLine, EndOfInput, OutputClosed, Question, Style
from chatroom.terminal.screen.keys import PASTE_OFF, PASTE_ON
from chatroom.terminal.screen.terminal import PASTE_PAUSE, TerminalScreen
from chatroom.terminal.screen.tty import TtyMode

from .terminal_emulator import OPINIONS, Emulator, Opinion, by_character

NAME = Question("name:")
SECRET = Question("password:", secret=True)
TEXT = Question("say:", lines=True)


class Mode(TtyMode):
    """Remembers how it was left instead of changing a terminal."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.now = ""

    def key_by_key(self) -> None:
        self.now = "keys"

    def leave(self) -> None:
        self.now = "found"


class Stage:
    """A screen on an emulated terminal."""

    def __init__(
        self,
        columns: int = 20,
        rows: int = 6,
        *,
        colour: bool = False,
        opinion: Opinion = by_character,
    ) -> None:
        self.emulator = Emulator(columns, rows, opinion)
        self.mode = Mode()
        self.clock = Clock()
        self.screen = TerminalScreen(
            *("utf-8", self.mode, lambda: (self.emulator.columns, self.emulator.rows), self.clock),
            colour=colour,
        )
        self.screen.transport = cast(Any, self.emulator)
        self.screen.connectionMade()

    def ask(self, question: Question = NAME) -> Deferred[str]:
        return self.screen.ask(question)

    def type(self, text: str) -> None:
        self.screen.dataReceived(text.encode())

    @property
    def seen(self) -> list[str]:
        return self.emulator.seen

    @property
    def visible(self) -> list[str]:
        """What is not scrolled away."""
        return self.seen[max(0, len(self.emulator.lines) - self.emulator.rows) :]

    @property
    def cursor(self) -> tuple[int, int]:
        return self.emulator.row, self.emulator.column


def result(answer: Deferred[str]) -> str | Exception | None:
    """The answer or the error, or None while there is neither."""
    results: list[Any] = []
    answer.addBoth(results.append)
    if not results:
        return None
    outcome: str | Exception = getattr(results[0], "value", results[0])
    return outcome


def test_what_is_typed_stands_behind_the_question() -> None:
    stage = Stage()
    answer = stage.ask()
    stage.type("To")
    stage.type("m\r")
    assert result(answer) == "Tom"
    assert stage.seen == ["name: Tom"]
    assert stage.cursor == (1, 0)


def test_what_arrives_is_printed_above_what_is_being_typed() -> None:
    stage = Stage()
    stage.ask()
    stage.type("half a li\x1b[D\x1b[D")
    stage.screen.show("news")
    assert stage.seen == ["news", "name: half a li"]
    assert stage.cursor == (1, 13)


def test_what_arrives_does_not_tear_a_line_of_several_rows() -> None:
    stage = Stage(columns=10)
    stage.ask()
    stage.type("你好你好你好你好")
    stage.screen.show("a long piece of news")
    assert stage.seen == ["a long pie", "ce of news", "name: 你好", "你好你好你", "好"]
    stage.type("\x01x\r")
    assert stage.seen[2:] == ["name: x你", "好你好你好", "你好"]
    assert stage.cursor == (5, 0)


def test_a_row_that_is_just_full_puts_the_cursor_on_the_next() -> None:
    stage = Stage(columns=10)
    stage.ask()
    stage.type("1234")
    assert stage.cursor == (1, 0)
    stage.type("5\x7f\x7f")
    assert stage.seen == ["name: 123"]
    assert stage.cursor == (0, 9)


def test_a_password_is_not_shown() -> None:
    stage = Stage()
    answer = stage.ask(SECRET)
    stage.type("123456\x7f")
    stage.screen.show("news")
    assert stage.seen == ["news", "password:"]
    stage.type("\r")
    assert result(answer) == "12345"
    assert stage.seen == ["news", "password:"]


def test_keys_pressed_before_the_question_wait_unseen_for_it() -> None:
    stage = Stage()
    stage.type("Tom\r123456\r")
    assert stage.seen == []
    assert result(stage.ask()) == "Tom"
    assert result(stage.ask(SECRET)) == "123456"
    assert stage.seen == ["name: Tom", "password:"]


def test_many_lines_typed_ahead_are_answers_one_after_the_other() -> None:
    stage = Stage()
    answers: list[str] = []

    def again(answer: str) -> None:
        answers.append(answer)
        if len(answers) < 2000:
            stage.ask().addCallback(again)

    stage.ask().addCallback(again)
    stage.type("x\r" * 2000)
    assert answers == ["x"] * 2000


def test_earlier_answers_come_back_to_their_own_question_only() -> None:
    stage = Stage()
    for question, text in (
        (NAME, "Tom"),
        (TEXT, "one"),
        (TEXT, "two"),
        (TEXT, "two"),
        (SECRET, "x"),
    ):
        stage.ask(question)
        stage.type(text + "\r")
    stage.ask(SECRET)
    stage.type("\x1b[A\r")
    answer = stage.ask(TEXT)
    stage.type("\x1b[A\x1b[A\r")
    assert result(answer) == "one"


def test_several_pasted_lines_are_one_message() -> None:
    stage = Stage(columns=40)
    answer = stage.ask(TEXT)
    stage.type("\x1b[200~one\r\n  two\r\n\x1b[201~!\r")
    assert stage.seen == ["say: one↵  two!"]
    assert result(answer) == "one\n  two!"


def test_pasted_lines_are_answers_where_one_line_is_wanted() -> None:
    stage = Stage()
    first = stage.ask()
    stage.type("\x1b[200~a\nb\nc\x1b[201~")
    second, third = stage.ask(), stage.ask()
    assert [result(first), result(second), result(third)] == ["a", "b", None]
    assert stage.seen[-1] == "name: c"


def test_a_paste_without_an_end_ends_with_the_next_key_after_a_pause() -> None:
    stage = Stage(columns=40)
    answer = stage.ask(TEXT)
    stage.type("\x1b[200~one\r")
    stage.type("two")
    assert stage.seen == ["say:"]
    stage.clock.advance(PASTE_PAUSE / 2)
    # What still comes may be part of it, so that nothing is sent that is not whole.
    stage.type("\rthr")
    stage.clock.advance(PASTE_PAUSE / 2)
    assert stage.seen == ["say:"]
    stage.clock.advance(PASTE_PAUSE / 2)
    assert stage.seen == ["say: one↵two↵thr"]
    stage.type("e")
    stage.type("\x1b[D")
    stage.type("e")
    assert stage.seen == ["say: one↵two↵three"]
    stage.type("\r")
    assert result(answer) == "one\ntwo\nthree"


def test_a_paste_that_stalls_goes_on_as_one() -> None:
    stage = Stage(columns=40)
    answer = stage.ask(TEXT)
    stage.type("\x1b[200~one\r")
    stage.clock.advance(PASTE_PAUSE)
    stage.type("two\rthree\x1b[20")
    stage.clock.advance(PASTE_PAUSE)
    stage.type("1~!\r")
    assert result(answer) == "one\ntwo\nthree!"
    assert stage.clock.getDelayedCalls() == []


def test_a_paste_without_an_end_leaves_ctrl_d_and_escape_what_they_are() -> None:
    for key in ("\x04", "\x1b"):
        stage = Stage()
        answer = stage.ask()
        stage.type("\x1b[200~")
        stage.clock.advance(PASTE_PAUSE)
        stage.type(key)
        stage.type("\x04")
        assert isinstance(result(answer), EndOfInput)


def test_a_screen_that_is_closed_waits_for_no_paste() -> None:
    stage = Stage()
    stage.type("\x1b[200~one")
    stage.screen.connectionLost()
    assert stage.clock.getDelayedCalls() == []


def test_letters_that_come_in_pieces_are_put_together() -> None:
    stage = Stage()
    answer = stage.ask()
    for byte in "你好\r".encode():
        stage.screen.dataReceived(bytes([byte]))
    assert result(answer) == "你好"


def test_ctrl_d_on_an_empty_line_ends_the_input_and_elsewhere_deletes() -> None:
    stage = Stage()
    answer = stage.ask()
    stage.type("ab\x01\x04")
    assert stage.seen == ["name: b"]
    stage.type("\x04\x04")
    assert isinstance(result(answer), EndOfInput)


def test_a_line_that_is_too_long_is_refused_and_can_be_brought_back() -> None:
    stage = Stage()
    answer = stage.ask(TEXT)
    stage.type("x" * 4001 + "\r")
    assert isinstance(result(answer), BadLine)
    answer = stage.ask(TEXT)
    stage.type("\x1b[A\x7f\r")
    assert result(answer) == "x" * 4000


def test_a_long_line_takes_half_of_the_screen_so_that_what_arrives_is_seen() -> None:
    stage = Stage(columns=10, rows=4)
    answer = stage.ask(TEXT)
    stage.type("a" * 30 + "b" * 30)
    stage.screen.show("news")
    assert stage.visible == ["news", "b" * 10, "b" * 5]
    stage.type("\x1b[D" * 30)
    assert stage.visible == ["news", "a" * 10, "aaaaabbbbb"]
    assert stage.cursor[1] == 5
    stage.screen.show("more")
    stage.screen.show("yet more")
    assert stage.visible == ["more", "yet more", "a" * 10, "aaaaabbbbb"]
    # What was said stays whole.
    stage.type("\r")
    assert result(answer) == "a" * 30 + "b" * 30
    assert stage.seen[2:] == [
        "yet more",
        "say: aaaaa",
        *["a" * 10] * 2,
        "aaaaabbbbb",
        *["b" * 10] * 2,
        "b" * 5,
    ]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_screen_of_very_few_rows_has_room_for_the_line(rows: int) -> None:
    stage = Stage(columns=10, rows=rows)
    stage.ask(TEXT)
    stage.type("a" * 30)
    stage.screen.show("news")
    assert stage.seen == ["news", "aaaaa"]


FAMILY = "👩\u200d👩\u200d👧\u200d👦"
#: What terminals disagree about: joined emoji, Hangul in its parts, flags, marks, variants.
DISPUTED = (FAMILY, "\u1112\u1161\u11ab", "ᄒ\ud7b0", "🇩🇪", "e\u0301\u0302", "☺\ufe0f", "👍🏽")


@pytest.mark.parametrize("opinion", OPINIONS)
@pytest.mark.parametrize("cluster", DISPUTED)
def test_what_arrives_stays_whatever_the_terminal_thinks_of_widths(
    cluster: str, opinion: Opinion
) -> None:
    stage = Stage(columns=20, rows=12, opinion=opinion)
    answer = stage.ask(TEXT)
    for number in range(30):
        stage.type(cluster)
        stage.screen.show(f"news {number}")
        if number % 3 == 0:
            stage.type("\x1b[D\x1b[D")
    stage.type("\x05\x7f")
    assert stage.seen[:30] == [f"news {number}" for number in range(30)]
    # Nothing of the question is left behind above the place where it stands.
    assert len(stage.seen) <= 30 + 6
    stage.type("\r")
    assert result(answer) == cluster * 29
    stage.screen.show("end")
    assert stage.seen[-1] == "end"


@pytest.mark.parametrize("opinion", OPINIONS)
@pytest.mark.parametrize("cluster", DISPUTED)
def test_the_cursor_stands_where_the_terminal_puts_what_is_before_it(
    cluster: str, opinion: Opinion
) -> None:
    stage = Stage(columns=40, opinion=opinion)
    stage.ask(TEXT)
    stage.type(cluster)
    place = stage.cursor
    stage.type(cluster + "x\x1b[D\x1b[D")
    assert stage.cursor == place


@pytest.mark.parametrize("opinion", OPINIONS)
def test_a_new_size_wipes_nothing_whatever_the_terminal_thinks_of_widths(opinion: Opinion) -> None:
    stage = Stage(columns=20, rows=12, opinion=opinion)
    stage.screen.show("news")
    stage.ask(TEXT)
    stage.type(FAMILY * 4)
    stage.emulator.reflow(10)
    stage.screen.resized()
    assert stage.seen[0] == "news"


def test_a_new_size_draws_the_question_anew() -> None:
    stage = Stage(columns=30)
    stage.screen.resized()
    stage.ask()
    stage.type("a line of some length")
    stage.emulator.reflow(10)
    stage.screen.resized()
    assert stage.seen == ["name: a li", "ne of some", " length"]


def test_ctrl_l_clears_the_screen() -> None:
    stage = Stage()
    stage.screen.show("old")
    stage.ask()
    stage.type("new\x0c")
    assert stage.seen == ["name: new"]


def test_stopped_and_continued_the_question_is_asked_again() -> None:
    stage = Stage()
    stage.screen.suspend()
    stage.screen.retake()
    stage.screen.resume()
    stage.ask()
    stage.type("To")
    modes = [stage.mode.now]
    stage.screen.suspend()
    modes.append(stage.mode.now)
    stage.emulator.write(b"\nStopped\n")
    stage.screen.retake()
    stage.screen.resume()
    modes.append(stage.mode.now)
    assert modes == ["keys", "found", "keys"]
    assert stage.seen == ["name: To", "Stopped", "name: To"]


def test_colours_only_where_they_are_wanted() -> None:
    written: list[bytes] = []
    for colour in (False, True):
        stage = Stage(colour=colour)
        stage.emulator.write = written.append  # type: ignore[assignment,method-assign]
        stage.screen.error("bad")
        stage.screen.show("plain", Style.PLAIN)
    assert written == [b"bad\n", b"plain\n", b"\x1b[31mbad\x1b[0m\n", b"plain\n"]


def test_a_question_that_is_cancelled_leaves_its_line() -> None:
    stage = Stage()
    answer = stage.ask()
    stage.type("To\x01")
    answer.cancel()
    assert isinstance(result(answer), CancelledError)
    stage.screen.show("bye")
    assert stage.seen == ["name: To", "bye"]


def test_a_terminal_that_goes_away_ends_the_input() -> None:
    stage = Stage()
    stage.screen.writeConnectionLost()
    assert isinstance(result(stage.ask()), OutputClosed)
    stage = Stage()
    answer = stage.ask()
    stage.screen.readConnectionLost()
    assert isinstance(result(answer), EndOfInput)
    assert isinstance(result(stage.ask()), EndOfInput)
    stage = Stage()
    answer = stage.ask()
    stage.screen.writeConnectionLost()
    assert isinstance(result(answer), OutputClosed)
    stage.screen.readConnectionLost()


def test_closing_gives_the_terminal_back() -> None:
    stage = Stage()
    closed = stage.screen.close()
    called = [closed.called]
    stage.screen.connectionLost()
    assert [*called, closed.called] == [False, True]
    assert stage.mode.now == "found"
    assert stage.screen.close().called


@pytest.fixture
def terminal() -> Any:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def local_flags(fd: int) -> int:
    flags: int = termios.tcgetattr(fd)[3]
    return flags


def test_the_terminal_is_given_back_as_it_was_found(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    found = termios.tcgetattr(slave)
    mode = TtyMode(slave, slave)
    mode.leave()
    mode.key_by_key()
    mode.key_by_key()
    assert not local_flags(slave) & (termios.ICANON | termios.ECHO)
    assert local_flags(slave) & termios.ISIG
    mode.leave()
    mode.leave()
    assert termios.tcgetattr(slave) == found
    told = ""
    while len(told) < len(PASTE_ON * 2 + PASTE_OFF):
        told += os.read(master, 100).decode()
    assert told == PASTE_ON * 2 + PASTE_OFF


def test_only_the_echo_goes_where_lines_are_read(terminal: tuple[int, int]) -> None:
    _, slave = terminal
    mode = TtyMode(slave, slave)
    mode.hide()
    assert not local_flags(slave) & termios.ECHO
    assert local_flags(slave) & termios.ICANON
    mode.leave()
    assert local_flags(slave) & termios.ECHO
