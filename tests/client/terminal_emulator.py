"""A terminal of the tests' own: what a person would see after some output."""

from __future__ import annotations

import re

from chatroom.client.screen.glyphs import width

_SEQUENCE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Emulator:
    """Understands what the screen uses: wrapping, wide characters, and a few sequences."""

    def __init__(self, columns: int = 40, rows: int = 10) -> None:
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

    def _sequence(self, parameters: str, letter: str) -> None:
        number = int(parameters) if parameters.isdigit() else 1
        if letter == "A":
            self.row = max(self.row - number, len(self.lines) - self.rows, 0)
        elif letter == "C":
            self.column = min(self.column + number, self.columns - 1)
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
        wide = width(char)
        if self.column + wide > self.columns:
            self._down()
            self.column = 0
        line = self.lines[self.row]
        line.extend(" " * (self.column + wide - len(line)))
        if wide == 0:
            line[self.column - 1] += char
            return
        line[self.column : self.column + wide] = [char, ""][:wide]
        self.column += wide

    def _down(self) -> None:
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append([])
