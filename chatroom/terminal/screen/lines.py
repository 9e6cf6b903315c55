"""A conversation through a pipe or a file: each line of the input is one answer."""

from __future__ import annotations

import codecs
import contextlib
from collections import deque
from typing import Final, TextIO

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatroom.protocol.messages import MAX_CONTENT
from chatroom.terminal import texts
from chatroom.terminal.screen import (
    BadLine,
    EndOfInput,
    OutputClosed,
    Question,
    StandardScreen,
    Style,
    paint,
)
from chatroom.terminal.screen.tty import TtyMode

#: Answers that are read ahead; the rest waits in the pipe.
READ_AHEAD: Final = 100
#: Longest line that is kept until its end is seen, in bytes: no character has more than four.
MAX_LINE: Final = 4 * MAX_CONTENT + len("\r")
#: Longest line that can be typed on a terminal in line mode, in bytes. Linux keeps 4,096 with the
#: line's end (N_TTY_BUF_SIZE in its n_tty.c), and silently drops what is typed beyond.
MAX_TYPED: Final = 4095
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class LineScreen(StandardScreen):
    """Prints each question on a line of its own, and takes each answer from the next line.

    :param errors: where errors go.
    :param mode: the terminal that the answers come from, if it can do no more than lines or the
            output goes elsewhere; None: a pipe or a file.
    :param read: whether a program reads the output, and may stop early; else a file keeps it.
    """

    def __init__(
        self,
        encoding: str,
        errors: TextIO,
        *,
        colour: bool = False,
        mode: TtyMode | None = None,
        read: bool = True,
    ) -> None:
        super().__init__(encoding, mode, colour)
        self.interactive = mode is not None
        self._errors = errors
        self._read_by_program = read
        self._buffer = b""
        self._at_first_line = True
        #: What is already known to be wrong with the line being read.
        self._spoilt: BadLine | None = None
        self._answers: deque[str | BadLine] = deque()
        #: The end of the input, once it was reached.
        self._end: EndOfInput | None = None
        #: Whether output was lost, and whether a question could not be shown.
        self._lost = self._in_vain = False

    # ---------------------------------------------------------------- for the menus

    def ask(self, question: Question) -> Deferred[str]:
        if self._end is not None and not self._answers:
            self._prompt(question)
            return fail(self._end)
        if self._output_closed:
            self._in_vain = True
            return fail(OutputClosed())
        self._prompt(question)
        if self._answers:
            return _outcome(self._answers.popleft())
        if self._mode is not None and question.secret:
            self._mode.hide()
        self._question = question
        self._waiting = Deferred(self._forget)
        self._io.resumeProducing()
        return self._waiting

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        if self.interactive and self._question is not None:
            # The kernel holds what was typed so far; we can only repeat the question.
            text = "\n" + text
        self._write(paint(text, style, self._colour) + "\n")
        if self.interactive and self._question is not None:
            self._prompt(self._question)

    def error(self, text: str) -> None:
        if self.interactive:
            self.show(text, Style.ERROR)
            return
        with contextlib.suppress(OSError, ValueError):
            self._errors.write(text + "\n")
            self._errors.flush()

    @property
    def left_over(self) -> bool:
        """Whether there are lines that answered no question."""
        lines = (
            answer for answer in self._answers if isinstance(answer, BadLine) or answer.strip()
        )
        return any(lines) or self._buffer.strip() != b"" or self._spoilt is not None

    @property
    def loss(self) -> str:
        """The error about lost output, one of `texts`; empty: nothing is lost.

        A program that stopped reading misses nothing, unless more questions followed.
        """
        if not self._lost:
            return ""
        if self._read_by_program:
            return texts.OUTPUT_CLOSED if self._in_vain else ""
        return texts.OUTPUT_LOST

    # ---------------------------------------------------------------- for signals

    def retake(self) -> None:
        """Set the terminal's mode again: a password that is being typed stays hidden."""
        if self._mode is not None and self._question is not None and self._question.secret:
            self._mode.hide()

    def resume(self) -> None:
        """Repeat the question below what was printed since."""
        if self._question is not None:
            self._prompt(self._question)

    # ---------------------------------------------------------------- for Twisted

    def dataReceived(self, data: bytes) -> None:
        *ends, rest = data.split(b"\n")
        for piece in ends:
            self._add(piece)
            self._take()
        self._add(rest)
        if len(self._answers) >= READ_AHEAD:
            self._io.pauseProducing()

    def read_failed(self) -> None:
        """Reading failed: the `readConnectionLost` that follows is not the end of the input."""
        self._end = EndOfInput(texts.UNREADABLE)

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        if self._buffer or self._spoilt:
            self._take()
        self._end = self._end or EndOfInput()
        self._fail_waiting(self._end)

    def writeConnectionLost(self) -> None:
        self._output_closed = self._lost = True
        self._in_vain = self._waiting is not None
        self._fail_waiting(OutputClosed())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._output_closed = True
        if not reason.check(ConnectionDone):
            self._lost = True
        self._gone()

    # ---------------------------------------------------------------- inside

    def _prompt(self, question: Question) -> None:
        self._write(question.prompt + (" " if self.interactive else "\n"))

    def _add(self, piece: bytes) -> None:
        """Append one more piece to the line being read."""
        if self._mode is not None and len(piece) >= MAX_TYPED:
            self._spoilt = BadLine(texts.CUT, limit=MAX_TYPED)
        self._buffer += piece
        if len(self._buffer) > MAX_LINE:
            self._spoilt = self._spoilt or _unreadable(self._buffer, self._encoding)
            self._spoilt = self._spoilt or BadLine(texts.TOO_LONG, limit=MAX_CONTENT)
            self._buffer = b""

    def _take(self) -> None:
        line, self._buffer = self._buffer.removesuffix(b"\r"), b""
        spoilt, self._spoilt = self._spoilt, None
        if self._at_first_line:
            self._at_first_line = False
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.startswith(_UTF_16_MARKS) or b"\0" in line:
                self._end = EndOfInput(texts.UTF_16, encoding=self._encoding.upper())
        if self._end is not None:
            # None of the input can be used.
            self._fail_waiting(self._end)
            return
        self._give(spoilt or _read(line, self._encoding))

    def _give(self, answer: str | BadLine) -> None:
        if self._waiting is None:
            self._answers.append(answer)
            return
        waiting, self._waiting = self._waiting, None
        secret = self._question is not None and self._question.secret
        self._question = None
        if self._mode is not None and secret:
            self._mode.leave()
            self._write("\n")
        _outcome(answer).chainDeferred(waiting)

    def _fail_waiting(self, error: Exception) -> None:
        waiting = self._waiting
        if waiting is not None:
            self._forget(waiting)
            waiting.errback(Failure(error))

    def _forget(self, _: Deferred[str]) -> None:
        self._waiting = self._question = None
        if self._mode is not None:
            self._mode.leave()
            self._write("\n")


def _read(line: bytes, encoding: str) -> str | BadLine:
    problem = _unreadable(line, encoding)
    if problem is not None:
        return problem
    text = line.decode(encoding)
    return text if len(text) <= MAX_CONTENT else BadLine(texts.TOO_LONG, limit=MAX_CONTENT)


def _unreadable(line: bytes, encoding: str) -> BadLine | None:
    """Why ``line`` can't be used at all; None: it can."""
    if b"\0" in line:
        return BadLine(texts.HAS_NUL)
    if b"\r" in line:
        return BadLine(texts.HAS_RETURN)
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return BadLine(texts.NOT_TEXT, encoding=encoding.upper())
    return None


def _outcome(answer: str | BadLine) -> Deferred[str]:
    return fail(answer) if isinstance(answer, BadLine) else succeed(answer)
