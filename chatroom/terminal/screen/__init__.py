"""The screen that the menus run on, a terminal or a pipe: what both can do."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from zope.interface import implementer

from chatroom.terminal.screen.tty import TtyMode


class BadInput(Exception):
    """``reason`` is one of `texts`, not translated yet; ``values`` fill its placeholders."""

    def __init__(self, reason: str = "", **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


class EndOfInput(BadInput):
    """There are no more answers; with an empty ``reason`` this is the normal end."""


class BadLine(BadInput):
    """One answer is invalid; the next one may be valid."""


class OutputClosed(Exception):
    """The reader of the output has closed it."""


class Question(NamedTuple):
    """A question. A ``secret`` answer is not shown; with ``lines`` it may have several lines."""

    prompt: str
    secret: bool = False
    lines: bool = False


class Style(Enum):
    """Kinds of text, with the colours (SGR parameters) that tell them apart."""

    PLAIN = ""
    MESSAGE = "1"
    PRIVATE = "1;35"
    NOTICE = "2"
    GOOD = "32"
    ERROR = "31"


class Screen(typing.Protocol):
    """Asks one thing at a time, and prints whenever there is something to print."""

    #: Whether a person answers, not a script.
    interactive: bool

    def ask(self, question: Question) -> Deferred[str]:
        """Ask, and wait for the answer; only one question at a time.

        :raises EndOfInput: no answer will come.
        :raises OutputClosed: nobody would see the question.
        :raises BadLine: the answer is invalid.
        """

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        """Print one or more lines; no line end at the end of ``text``."""

    def error(self, text: str) -> None:
        """Print what went wrong."""

    def close(self) -> Deferred[None]:
        """Stop asking; fires when all output has been written."""


@implementer(IHalfCloseableProtocol)
class StandardScreen(Protocol):
    """The part that all screens on standard input and output share.

    :param mode: the terminal that the answers come from; None: a pipe or a file.
    """

    def __init__(self, encoding: str, mode: TtyMode | None, colour: bool) -> None:
        self._encoding = encoding
        self._mode = mode
        self._colour = colour
        self._question: Question | None = None
        self._waiting: Deferred[str] | None = None
        self._output_closed = False
        self._closed: Deferred[None] | None = None

    def close(self) -> Deferred[None]:
        closed = self._closed = Deferred()
        if self._output_closed:
            self._gone()
        else:
            self._io.loseConnection()
        return closed

    def suspend(self) -> None:
        """Give the terminal back, until `retake`; both may be called in a signal handler."""
        if self._mode is not None:
            self._mode.leave()

    @property
    def _io(self) -> StandardIO:
        return cast(StandardIO, self.transport)

    def _write(self, text: str) -> None:
        if text and not self._output_closed:
            self._io.write(text.encode(self._encoding, "replace"))

    def _gone(self) -> None:
        self.suspend()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.callback(None)


def has_colour(environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Whether to use colours: on a capable terminal without NO_COLOR (https://no-color.org)."""
    return is_terminal and not environ.get("NO_COLOR") and is_capable(environ)


def is_capable(environ: Mapping[str, str]) -> bool:
    """Whether the terminal understands more than plain text."""
    return environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def paint(text: str, style: Style, colour: bool) -> str:
    """``text`` in the colours of ``style``; unchanged if ``colour`` is false."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and style.value else text
