"""The line that is being typed: its text, its cursor, and how it lies on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatroom.client.screen.glyphs import TAB, as_typed, width
from chatroom.client.screen.keys import Key

_JOINER: Final = "\u200d"


class LineEditor:
    """A line, edited by keys; ``earlier`` holds the lines that up and down bring back."""

    def __init__(self, earlier: Sequence[str] = ()) -> None:
        self._lines = [*earlier, ""]
        self._at = len(self._lines) - 1
        self.text = ""
        #: Index into `text` of the character under the cursor.
        self.cursor = 0

    def insert(self, text: str) -> None:
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)

    def press(self, key: Key) -> None:
        """Do what ``key`` does to a line; keys that do nothing to it are ignored."""
        if key in (Key.UP, Key.DOWN):
            self._recall(self._at + (1 if key is Key.DOWN else -1))
            return
        place = self._place(key)
        if key in _MOVES:
            self.cursor = place
        elif key in _KILLS:
            first, last = sorted((place, self.cursor))
            self.text = self.text[:first] + self.text[last:]
            self.cursor = first

    def _place(self, key: Key) -> int:
        """Where ``key`` moves to, or up to where it deletes."""
        match key:
            case Key.LEFT | Key.BACKSPACE:
                return self._before(self.cursor)
            case Key.RIGHT | Key.DELETE:
                return self._after(self.cursor)
            case Key.WORD_LEFT | Key.KILL_WORD:
                return self.text[: self.cursor].rstrip().rfind(" ") + 1
            case Key.WORD_RIGHT:
                rest = self.text[self.cursor :]
                word = rest.lstrip()
                return self.cursor + len(rest) - len(word) + len(word.partition(" ")[0])
            case Key.HOME | Key.KILL_BEFORE:
                return 0
            case Key.END | Key.KILL_AFTER:
                return len(self.text)
            case _:
                return self.cursor

    def _recall(self, at: int) -> None:
        if 0 <= at < len(self._lines):
            self._lines[self._at] = self.text
            self._at = at
            self.text = self._lines[at]
            self.cursor = len(self.text)

    def _after(self, index: int) -> int:
        """Behind the character at ``index``, with all that combines with it."""
        index = min(index + 1, len(self.text))
        while index < len(self.text) and self._combines(index):
            index += 1
        return index

    def _before(self, index: int) -> int:
        index = max(index - 1, 0)
        while index > 0 and self._combines(index):
            index -= 1
        return index

    def _combines(self, index: int) -> bool:
        return width(as_typed(self.text[index])) == 0 or self.text[index - 1] == _JOINER


_MOVES: Final = frozenset({Key.LEFT, Key.RIGHT, Key.WORD_LEFT, Key.WORD_RIGHT, Key.HOME, Key.END})
_KILLS: Final = frozenset(
    {Key.BACKSPACE, Key.DELETE, Key.KILL_WORD, Key.KILL_BEFORE, Key.KILL_AFTER}
)


class Layout(NamedTuple):
    """A prompt and a line as rows of the screen, and the cursor's place among them."""

    rows: tuple[str, ...]
    row: int
    column: int

    def within(self, height: int) -> Layout:
        """The rows around the cursor, at most ``height`` of them."""
        first = max(0, min(self.row - height // 2, len(self.rows) - height))
        return Layout(self.rows[first : first + height], self.row - first, self.column)


def lay_out(prompt: str, text: str, cursor: int, columns: int) -> Layout:
    """Put ``prompt`` and ``text`` on rows of ``columns`` as a terminal wraps them.

    When the last row is exactly full, an empty one follows: that is where the cursor goes.
    """
    rows: list[list[str]] = [[]]
    used = 0
    places: list[tuple[int, int]] = []
    for index, char in enumerate(prompt + text):
        sign = char if index < len(prompt) else as_typed(char)
        if sign == "\t":
            wide = min(TAB - used % TAB, columns - used - 1)
            sign = " " * wide
        else:
            wide = width(sign)
        if used + wide > columns:
            rows.append([])
            used = 0
        places.append((len(rows) - 1, used))
        rows[-1].append(sign)
        used += wide
    if used >= columns:
        rows.append([])
        used = 0
    places.append((len(rows) - 1, used))
    row, column = places[len(prompt) + cursor]
    if column >= columns:
        row, column = row + 1, 0
    return Layout(tuple("".join(row) for row in rows), row, column)
