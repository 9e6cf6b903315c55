"""The menus on a terminal: messages that arrive never break up what is being typed."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatroom.common.clock import Clock, Timer, cancel
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
from chatroom.terminal.screen.editor import Layout, LineEditor, lay_out
from chatroom.terminal.screen.keys import Key, KeyDecoder, Pasted, Press, Typed
from chatroom.terminal.screen.tty import TtyMode

#: Answers to one question that the up and down keys recall.
MAX_EARLIER: Final = 100
#: Seconds without input in a paste after which its end may have been lost.
PASTE_PAUSE: Final = 1.0
_ERASE_BELOW: Final = "\x1b[J"
_CLEAR: Final = "\x1b[H\x1b[2J"
#: Whether the terminal wraps a full row by itself (DECAWM).
_NO_WRAP: Final = "\x1b[?7l"
_WRAP: Final = "\x1b[?7h"


class TerminalScreen(StandardScreen):
    """Keeps the question, and what is typed, below all output.

    Keys take effect only while a question is asked. Keys pressed earlier wait and are not shown:
    they may be part of a password.

    :param size: returns the terminal's columns and rows.
    :param clock: times out a paste whose end the terminal does not send.
    """

    interactive = True
    _mode: TtyMode

    def __init__(
        self,
        encoding: str,
        mode: TtyMode,
        size: Callable[[], tuple[int, int]],
        clock: Clock,
        *,
        colour: bool = False,
    ) -> None:
        super().__init__(encoding, mode, colour)
        self._size = size
        self._clock = clock
        self._decode = codecs.getincrementaldecoder(encoding)("replace").decode
        self._keys = KeyDecoder()
        self._pause: Timer | None = None
        self._pressed: deque[Press] = deque()
        self._working = False
        self._editor = LineEditor()
        #: Earlier answers by question; each question recalls only its own.
        self._earlier: dict[str, deque[str]] = {}
        #: The question as drawn on the screen; None while it is not.
        self._drawn: Layout | None = None
        self._input_ended = False

    # ---------------------------------------------------------------- for the menus

    def ask(self, question: Question) -> Deferred[str]:
        if self._output_closed:
            return fail(OutputClosed())
        self._question = question
        self._editor = LineEditor(() if question.secret else self._earlier.get(question.prompt, ()))
        waiting = self._waiting = Deferred(self._forget)
        self._write(self._draw())
        self._work()
        if self._input_ended and self._waiting is not None:
            self._finish(EndOfInput())
        return waiting

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        self._write(self._erase() + paint(text, style, self._colour) + "\n" + self._draw())

    def error(self, text: str) -> None:
        self.show(text, Style.ERROR)

    # ---------------------------------------------------------------- for signals

    def resized(self) -> None:
        """Redraw: the terminal has wrapped the rows to its new width."""
        if self._drawn is not None:
            above = self._drawn.rows_above(self._size()[0])
            self._write(self._erase(above) + self._draw())

    def retake(self) -> None:
        """Put the terminal back into key-by-key mode."""
        self._mode.key_by_key()

    def resume(self) -> None:
        """Repeat the question below what was printed since."""
        if self._drawn is not None:
            self._write("\r" + self._draw())

    # ---------------------------------------------------------------- for Twisted

    def connectionMade(self) -> None:
        self._mode.key_by_key()

    def dataReceived(self, data: bytes) -> None:
        self._pressed.extend(self._keys.feed(self._decode(data)))
        self._await_end_of_paste()
        self._work()

    def readConnectionLost(self) -> None:  # noqa: N802 - Twisted's name
        self._input_ended = True
        if self._waiting is not None:
            self._finish(EndOfInput())

    def writeConnectionLost(self) -> None:
        self._output_closed = True
        if self._waiting is not None:
            self._finish(OutputClosed())

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        self._output_closed = True
        self._gone()

    # ---------------------------------------------------------------- keys

    def _await_end_of_paste(self) -> None:
        cancel(self._pause)
        if self._keys.pasting:
            self._pause = self._clock.callLater(PASTE_PAUSE, self._paste_paused)

    def _paste_paused(self) -> None:
        self._pressed.extend(self._keys.pause())
        self._work()

    def _work(self) -> None:
        """Handle the waiting keys, as long as a question is asked."""
        if self._working:
            # An answer led to the next question at once: the outer call's loop goes on with it.
            return
        self._working = True
        try:
            while self._pressed and self._question is not None:
                self._press(self._pressed.popleft(), self._question)
        finally:
            self._working = False
        if self._drawn is not None:
            self._write(self._erase() + self._draw())

    def _press(self, press: Press, question: Question) -> None:
        editor = self._editor
        if isinstance(press, Typed):
            editor.insert(press.text)
        elif isinstance(press, Pasted):
            self._paste(press.text, question)
        elif press is Key.ENTER:
            self._enter(editor.text, question)
        elif press is Key.END_OF_INPUT and not editor.text:
            self._finish(EndOfInput())
        elif press is Key.REDRAW:
            self._write(_CLEAR + self._draw())
        else:
            editor.press(Key.DELETE if press is Key.END_OF_INPUT else press)

    def _paste(self, text: str, question: Question) -> None:
        """Pasted lines are one message if the question allows it; else each is an answer."""
        if question.lines:
            self._editor.insert(text.removesuffix("\n"))
            return
        first, *others = text.split("\n")
        presses: list[Press] = [Typed(first)]
        for line in others:
            presses += [Key.ENTER, Typed(line)]
        self._pressed.extendleft(reversed(presses))

    def _enter(self, text: str, question: Question) -> None:
        if text and not question.secret:
            earlier = self._earlier.setdefault(question.prompt, deque(maxlen=MAX_EARLIER))
            if not earlier or earlier[-1] != text:
                earlier.append(text)
        if len(text) > MAX_CONTENT:
            self._finish(BadLine(texts.TOO_LONG, limit=MAX_CONTENT))
        else:
            self._finish(text)

    def _finish(self, outcome: str | Exception) -> None:
        waiting = self._waiting
        assert waiting is not None
        self._forget(waiting)
        if isinstance(outcome, str):
            waiting.callback(outcome)
        else:
            waiting.errback(Failure(outcome))

    def _forget(self, _: Deferred[str]) -> None:
        """End the question; what was typed stays on the screen."""
        # All rows, wrapped by the terminal itself: they won't be erased any more.
        self._write(self._erase() + "".join(self._lay_out().rows) + "\r\n")
        self._waiting = self._question = None

    # ---------------------------------------------------------------- drawing

    # Terminals disagree about how wide some characters are, so nothing here depends on it: each row
    # is ended explicitly, none wraps by itself, and the cursor is placed by printing the text that
    # is before it.

    def _lay_out(self) -> Layout:
        assert self._question is not None
        text, cursor = self._editor.text, self._editor.cursor
        if self._question.secret:
            text, cursor = "", 0
        return lay_out(self._question.prompt + " ", text, cursor, self._size()[0])

    def _erase(self, above: int | None = None) -> str:
        """The output that erases the question and puts the cursor back where it began.

        :param above: how many rows above the cursor that is, if not as many as were drawn.
        """
        drawn, self._drawn = self._drawn, None
        if drawn is None:
            return ""
        return "\r" + _up(drawn.row if above is None else above) + _ERASE_BELOW

    def _draw(self) -> str:
        """The question and what is typed, with the cursor in its place."""
        if self._question is None:
            return ""
        # At most half of the screen, so that new messages are seen above it.
        layout = self._drawn = self._lay_out().within(max(self._size()[1] // 2, 1))
        up = _up(len(layout.rows) - 1 - layout.row)
        rows = "\r\n".join(layout.rows)
        return f"{_NO_WRAP}{rows}\r{up}{layout.before}{_WRAP}"

    def _gone(self) -> None:
        cancel(self._pause)
        super()._gone()


def _up(rows: int) -> str:
    return f"\x1b[{rows}A" if rows else ""
