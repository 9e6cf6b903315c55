"""Where the conversation is held, whether a terminal or a pipe: what both can do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred


class EndOfInput(Exception):
    """The input has ended: there are no more answers.

    ``reason`` says what is wrong with that: one of `texts`, not translated yet, with the ``values``
    that it wants. Empty: nothing is.
    """

    def __init__(self, reason: str = "", **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


class OutputClosed(Exception):
    """The reader of the output has closed it."""


class BadLine(Exception):
    """One answer could not be taken; the next one is another matter.

    ``reason`` is one of `texts`, not translated yet, with the ``values`` that it wants.
    """

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


class Question(NamedTuple):
    """What is asked. A ``secret`` answer is not shown; one of ``lines`` may have several lines."""

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


class Screen(Protocol):
    """Asks one thing at a time, and prints whenever there is something to print."""

    #: Whether a person sits in front of it.
    interactive: bool

    def ask(self, question: Question) -> Deferred[str]:
        """Ask, and wait for the answer; only one question at a time.

        :raises EndOfInput: no answer will come.
        :raises OutputClosed: nobody would see the question.
        :raises BadLine: there was an answer, but it can't be taken.
        """

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        """Print one or more lines; no line end at the end of ``text``."""

    def error(self, text: str) -> None:
        """Print what went wrong."""

    def close(self) -> Deferred[None]:
        """Stop asking; fires when all that was printed is out."""


def has_colour(environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Whether colours may be used: not where https://no-color.org or the terminal forbids."""
    return is_terminal and not environ.get("NO_COLOR") and is_capable(environ)


def is_capable(environ: Mapping[str, str]) -> bool:
    """Whether the terminal understands more than plain text."""
    return environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def paint(text: str, style: Style, colour: bool) -> str:
    """``text`` in the colours of ``style``, where there is ``colour``."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and style.value else text
