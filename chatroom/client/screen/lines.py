"""A conversation through a pipe or a file: each line of the input is one answer."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final, TextIO, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from chatroom.client import texts
from chatroom.client.screen import BadLine, EndOfInput, OutputClosed, Question, Style, paint
from chatroom.client.screen.tty_mode import TtyMode
from chatroom.wire import MAX_CONTENT

#: Answers that are read ahead; the rest waits in the pipe.
READ_AHEAD: Final = 100
#: Longest line that is kept until its end is seen, in bytes: no character has more than four.
MAX_LINE: Final = 4 * MAX_CONTENT + len("\r")


@implementer(IHalfCloseableProtocol)
class LineScreen(Protocol):
    """Prints each question on a line of its own, and takes each answer from the next line.

    :param errors: where errors go.
    :param mode: the terminal that the answers come from, if they do: where the terminal can't do
        more than lines, or the output goes elsewhere.
    """

    def __init__(
        self, encoding: str, errors: TextIO, *, colour: bool = False, mode: TtyMode | None = None
    ) -> None:
        self.interactive = mode is not None
        self._encoding = encoding
        self._errors = errors
        self._colour = colour
        self._mode = mode
        self._buffer = b""
        #: The line being read is too long already, and is skipped to its end.
        self._skipping = False
        self._answers: deque[str | BadLine] = deque()
        self._question: Question | None = None
        self._waiting: Deferred[str] | None = None
        self._input_ended = False
        self._output_closed = False
        self._closed: Deferred[None] | None = None

    # ---------------------------------------------------------------- what a screen does

    def ask(self, question: Question) -> Deferred[str]:
        if self._output_closed:
            return fail(OutputClosed())
        self._prompt(question)
        if self._answers:
            return _outcome(self._answers.popleft())
        if self._input_ended:
            return fail(EndOfInput())
        if self._mode is not None and question.secret:
            self._mode.hide()
        self._question = question
        self._waiting = Deferred(self._forget)
        self._io.resumeProducing()
        return self._waiting

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        if self.interactive and self._question is not None:
            # The kernel holds what is typed so far; all that can be done is to ask again.
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

    def close(self) -> Deferred[None]:
        self._closed = Deferred()
        closed = self._closed
        if self._output_closed:
            self._gone()
        else:
            self._io.loseConnection()
        return closed

    # ---------------------------------------------------------------- what the terminal does

    def suspend(self) -> None:
        """Give the terminal back, until `retake`; both may be called in a signal handler."""
        if self._mode is not None:
            self._mode.leave()

    def retake(self) -> None:
        """Take the terminal again: a password that is being typed stays hidden."""
        if self._mode is not None and self._question is not None and self._question.secret:
            self._mode.hide()

    def resume(self) -> None:
        """Repeat the question below what was printed since."""
        if self._question is not None:
            self._prompt(self._question)

    # ---------------------------------------------------------------- what the transport tells

    @property
    def _io(self) -> StandardIO:
        return cast(StandardIO, self.transport)

    def dataReceived(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._buffer) > MAX_LINE:
            self._buffer = b""
            self._skipping = True
        if len(self._answers) >= READ_AHEAD:
            self._io.pauseProducing()

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        if self._buffer or self._skipping:
            self._take(self._buffer)
            self._buffer = b""
        self._input_ended = True
        self._fail_waiting(EndOfInput())

    def writeConnectionLost(self) -> None:
        self._output_closed = True
        self._fail_waiting(OutputClosed())

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        self._output_closed = True
        self._gone()

    # ---------------------------------------------------------------- inside

    def _prompt(self, question: Question) -> None:
        self._write(question.prompt + (" " if self.interactive else "\n"))

    def _write(self, text: str) -> None:
        if not self._output_closed:
            self._io.write(text.encode(self._encoding, "replace"))

    def _take(self, line: bytes) -> None:
        answer = self._read(line.removesuffix(b"\r"))
        self._skipping = False
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

    def _read(self, line: bytes) -> str | BadLine:
        if not self._skipping and len(line) <= MAX_LINE:
            try:
                text = line.decode(self._encoding)
            except UnicodeDecodeError:
                return BadLine(texts.NOT_TEXT, encoding=self._encoding.upper())
            if len(text) <= MAX_CONTENT:
                return text
        return BadLine(texts.TOO_LONG, limit=MAX_CONTENT)

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

    def _gone(self) -> None:
        if self._mode is not None:
            self._mode.leave()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.callback(None)


def _outcome(answer: str | BadLine) -> Deferred[str]:
    return fail(answer) if isinstance(answer, BadLine) else succeed(answer)
