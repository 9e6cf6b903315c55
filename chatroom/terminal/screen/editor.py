"""The line that is being typed: its text, its cursor, and its layout on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatroom.terminal.screen.glyphs import (
    TAB,
    as_typed,
    cluster_before,
    clusters,
    least_width,
    width,
)
from chatroom.terminal.screen.keys import Key


class LineEditor:
    """A line, edited by keys; ``earlier`` holds the lines that the up and down keys recall."""

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
        """Apply an editing key to the line; other keys are ignored."""
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
        """The index that ``key`` moves the cursor to, or deletes up to."""
        match key:
            case Key.LEFT | Key.BACKSPACE:
                return cluster_before(self.text, self.cursor)
            case Key.RIGHT | Key.DELETE:
                return self.cursor + len(next(clusters(self.text[self.cursor :]), ""))
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


_MOVES: Final = frozenset({Key.LEFT, Key.RIGHT, Key.WORD_LEFT, Key.WORD_RIGHT, Key.HOME, Key.END})
_KILLS: Final = frozenset(
    {Key.BACKSPACE, Key.DELETE, Key.KILL_WORD, Key.KILL_BEFORE, Key.KILL_AFTER}
)


class Layout(NamedTuple):
    """A prompt and a line as rows of the screen, and the cursor's position in them.

    The cursor is in ``row``, after the text ``before``. Only the terminal knows for sure how many
    columns that text takes.
    """

    rows: tuple[str, ...]
    row: int
    before: str

    def within(self, height: int) -> Layout:
        """The rows around the cursor, at most ``height`` of them."""
        first = max(0, min(self.row - height // 2, len(self.rows) - height))
        return Layout(self.rows[first : first + height], self.row - first, self.before)

    def rows_above(self, columns: int) -> int:
        """The least number of rows above the cursor after the terminal has rewrapped them."""
        wrapped = sum(max(1, -(-_least(row) // columns)) for row in self.rows[: self.row])
        return wrapped + _least(self.before) // columns


def lay_out(prompt: str, text: str, cursor: int, columns: int) -> Layout:
    """Put ``prompt`` and ``text`` on rows of at most ``columns``.

    When the last row is exactly full, an empty one follows: that is where the cursor goes.
    """
    rows: list[str] = [""]
    used = 0
    place: tuple[int, str] | None = None
    index = -len(prompt)
    for cluster in (*clusters(prompt), *clusters("".join(map(as_typed, text)))):
        if cluster == "\t":
            sign = " " * min(TAB - used % TAB, columns - used - 1)
            wide = len(sign)
        else:
            sign, wide = cluster, min(width(cluster), columns)
        if used + max(wide, 1) > columns:
            rows.append("")
            used = 0
        if place is None and index >= cursor:
            place = len(rows) - 1, rows[-1]
        rows[-1] += sign
        used += wide
        index += len(cluster)
    if used >= columns:
        rows.append("")
    return Layout(tuple(rows), *(place or (len(rows) - 1, rows[-1])))


def _least(row: str) -> int:
    return sum(map(least_width, clusters(row)))
