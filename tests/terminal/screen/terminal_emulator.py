"""A terminal of the tests' own: what a person would see after some output."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

#: How many columns a character takes behind the text that stands before it in its row.
Opinion = Callable[[str, str], int]

_SEQUENCE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


def by_character(before: str, char: str) -> int:
    """Each by itself, as xterm has it: marks and joiners take no room, Hangul vowels neither."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or _is_hangul_tail(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def by_table(before: str, char: str) -> int:
    """As the table of widths says, which knows nothing of Hangul that is put together."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def by_cluster(before: str, char: str) -> int:
    """What is joined to the character before it takes no room of its own, as tmux has it."""
    return 0 if before.endswith("\u200d") else by_character(before, char)


def one_column(before: str, char: str) -> int:
    """One column each, whatever it is."""
    return 1


def marks_are_wide(before: str, char: str) -> int:
    """Two columns each but for ASCII: nobody does so, and nothing may depend on that."""
    return 1 if char.isascii() else 2


OPINIONS: tuple[Opinion, ...] = (by_character, by_table, by_cluster, one_column, marks_are_wide)


def _is_hangul_tail(char: str) -> bool:
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff"


class Emulator:
    """Understands what the screen uses: wrapping, wide characters, and a few sequences."""

    def __init__(self, columns: int = 40, rows: int = 10, opinion: Opinion = by_character) -> None:
        self.opinion = opinion
        self.wraps = True
        self.columns = columns
        self.rows = rows
        self.lines: list[list[str]] = [[]]
        self.row = 0
        self.column = 0

    def write(self, data: bytes) -> None:
        text = data.decode()
        while text:
            match = _SEQUENCE.match(text)
            if match:
                self._sequence(match[1], match[2])
                text = text[match.end() :]
            else:
                self._character(text[0])
                text = text[1:]

    def loseConnection(self) -> None:
        """Output ends."""

    @property
    def seen(self) -> list[str]:
        """The rows, without blanks at their ends, and without those that are empty at the end."""
        rows = ["".join(line).rstrip() for line in self.lines]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def reflow(self, columns: int) -> None:
        """Become narrower, and wrap the rows that are too long now."""
        old, self.lines, at = self.lines, [], self.row
        for number, line in enumerate(old):
            text = [*line]
            while text and text[-1] == " ":
                text.pop()
            if number == at:
                self.row = len(self.lines) + self.column // columns
            pieces = [text[n : n + columns] for n in range(0, len(text), columns)]
            self.lines += pieces or [[]]
        self.columns, self.column = columns, self.column % columns
        while len(self.lines) <= self.row:
            self.lines.append([])

    def _sequence(self, parameters: str, letter: str) -> None:
        number = int(parameters) if parameters.isdigit() else 1
        if letter == "A":
            self.row = max(self.row - number, len(self.lines) - self.rows, 0)
        elif letter == "C":
            self.column = min(self.column + number, self.columns - 1)
        elif letter in "hl" and parameters == "?7":
            self.wraps = letter == "h"
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "J":
            if parameters == "2":
                self.lines = [[]]
            del self.lines[self.row + 1 :]
            del self.lines[self.row][self.column :]

    def _character(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self._down()
            self.column = 0  # as the kernel's ONLCR does
        else:
            self._put(char)

    def _put(self, char: str) -> None:
        line = self.lines[self.row]
        wide = self.opinion("".join(line[: self.column]), char)
        if self.column + wide > self.columns:
            if self.wraps:
                self._down()
                self.column = 0
                line = self.lines[self.row]
            else:
                self.column = self.columns - wide
        line.extend(" " * (self.column + wide - len(line)))
        if wide == 0:
            # Nothing changes where the same mark is put on the same character once more.
            if self.column and not line[self.column - 1].endswith(char):
                line[self.column - 1] += char
            return
        line[self.column : self.column + wide] = [char, ""][:wide]
        self.column += wide

    def _down(self) -> None:
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append([])
