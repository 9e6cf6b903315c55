"""What characters do to a terminal: how wide they are, and how to make a stranger's harmless."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Before each further line of a message that has several, so that none passes for one of ours.
CONTINUED: Final = "\n    │ "
#: Most combining marks kept on one character: stacked without end they cover the lines around.
MAX_MARKS: Final = 4
#: Columns between two tab stops.
TAB: Final = 8

_JOINERS: Final = "\u200c\u200d"
#: Invisible letters that make flags of regions, and the variation selectors of emoji.
_TAGS: Final = range(0xE0020, 0xE0080)
_WIDE: Final = frozenset({"W", "F"})
_NO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})
_MARKS: Final = frozenset({"Mn", "Me"})


def width(char: str) -> int:
    """Columns that a terminal gives to ``char``, which is no control character: 0, 1 or 2."""
    if " " <= char <= "~":
        return 1
    if unicodedata.category(char) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def harmless(text: str) -> str:
    """A stranger's message as it may be printed.

    Control characters, which could move the cursor or forge a line, become visible signs; those
    that turn the direction of the text, and invisible ones, are left out; every line after the
    first is marked as a continuation. Tabs stay.
    """
    kept: list[str] = []
    marks = 0
    for char in text.replace("\r\n", "\n"):
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        if char == "\n" or category in ("Zl", "Zp"):
            kept.append(CONTINUED)
        elif category == "Cc":
            kept.append(char if char == "\t" else visible(char))
        elif category == "Cf":
            if char in _JOINERS or ord(char) in _TAGS:
                kept.append(char)
        elif category == "Cs":
            kept.append("\ufffd")
        elif marks <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def harmless_name(name: str) -> str:
    """A stranger's name as it may be printed: as `harmless`, and on one line."""
    return harmless(" ".join(name.split()))


def visible(control: str) -> str:
    """A sign of one column for a control character: ``␛`` for ESC."""
    code = ord(control)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def as_typed(char: str) -> str:
    """One character of what is being typed, as a sign that stays on its line."""
    if char == "\n":
        return "↵"
    category = unicodedata.category(char)
    if category == "Cc":
        return visible(char)
    return "\ufffd" if category in ("Cs", "Zl", "Zp") else char
