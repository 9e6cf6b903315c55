"""What characters do to a terminal: how wide they are, and how to make a stranger's harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth, wcwidth

#: Before each further line of a message that has several, so that none passes for one of ours.
CONTINUED: Final = "\n    │ "
#: Most combining marks kept on one character: stacked without end they cover the lines around.
MAX_MARKS: Final = 4
#: Columns between two tab stops.
TAB: Final = 8

_JOINERS: Final = "\u200c\u200d"
#: Invisible letters that make flags of regions, and the variation selectors of emoji.
_TAGS: Final = range(0xE0020, 0xE0080)
_MARKS: Final = frozenset({"Mn", "Me"})


def clusters(text: str) -> Iterator[str]:
    """What a person takes for one character each: a letter with its marks, a joined emoji."""
    return iter_graphemes(text)


def cluster_before(text: str, index: int) -> int:
    """Where the cluster begins that stands before ``index``."""
    return grapheme_boundary_before(text, index) if index else 0


def width(cluster: str) -> int:
    """The columns that a terminal may give to ``cluster``, which has no control characters.

    Some show a joined emoji as one picture of two columns, others as each of its parts: the wider
    way counts, so that a row that has room for it has room for it anywhere.
    """
    if len(cluster) == 1:
        return max(wcwidth(cluster), 0)
    return max(wcswidth(cluster), sum(max(wcwidth(char), 0) for char in cluster), 0)


def least_width(cluster: str) -> int:
    """The columns that any terminal gives to ``cluster``."""
    return width(cluster) if len(cluster) == 1 else min(width(cluster), 1)


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
