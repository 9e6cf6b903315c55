"""What ``chatroom-admin`` prints: tables for people, or one JSON value for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from chatroom.store.records import Sanction


def printable(text: object) -> str:
    """Any text on one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(text))


def when(milliseconds: int) -> str:
    """A time since 1970, as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def as_json(sanction: Sanction) -> dict[str, Any]:
    """A ban or a mute as the commands' JSON has it; ``until`` is null for good."""
    until = when(sanction.until) if sanction.until else None
    return {"until": until, "reason": sanction.reason}


def in_words(sanction: dict[str, Any] | None) -> str:
    """The same for people; empty for none."""
    if sanction is None:
        return ""
    words = f"until {sanction['until']}" if sanction["until"] else "for good"
    return f"{words} ({sanction['reason']})" if sanction["reason"] else words


class Output:
    """Where the answer goes.

    :param json: print the JSON value instead of what is for people.
    """

    def __init__(self, *, json: bool, stream: TextIO | None = None) -> None:
        self._json = json
        self._stream = sys.stdout if stream is None else stream

    def give(self, value: dict[str, Any], lines: Sequence[str]) -> None:
        """One answer, both ways."""
        self.write(encode(value) if self._json else "\n".join(map(printable, lines)))

    def table(
        self, value: dict[str, Any], headings: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> None:
        """One answer, both ways; the last column may be of any width."""
        cells = [list(headings), *[[printable(cell) for cell in row] for row in rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        self.give(value, lines)

    def write(self, text: str) -> None:
        """A line as it is."""
        print(text, file=self._stream)


def encode(value: object) -> str:
    """As JSON, on one line."""
    return msgspec.json.encode(value).decode()
