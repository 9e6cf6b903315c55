"""How wide characters are on a terminal, and how other people's text is made safe to print."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth, wcwidth

#: Put before each further line of a message, so that none looks like a line of this program.
CONTINUED: Final = "\n    │ "
#: Most combining marks kept on one character: a tall stack of them would cover other lines.
MAX_MARKS: Final = 4
#: Columns between two tab stops.
TAB: Final = 8

_JOINERS: Final = "\u200c\u200d"
#: Tag characters: invisible letters that spell the region in some flag emoji.
_TAGS: Final = range(0xE0020, 0xE0080)
_MARKS: Final = frozenset({"Mn", "Me"})


def clusters(text: str) -> Iterator[str]:
    """What people see as single characters: a letter with its marks, a joined emoji."""
    return iter_graphemes(text)


def cluster_before(text: str, index: int) -> int:
    """The index at which the cluster before ``index`` begins."""
    return grapheme_boundary_before(text, index) if index else 0


def width(cluster: str) -> int:
    """The columns that a terminal may give to ``cluster``, which has no control characters.

    Some terminals show a joined emoji as one picture of two columns, others show each of its parts.
    The larger width counts, so that the row fits on any terminal.
    """
    if len(cluster) == 1:
        return max(wcwidth(cluster), 0)
    return max(wcswidth(cluster), sum(max(wcwidth(char), 0) for char in cluster), 0)


def least_width(cluster: str) -> int:
    """The columns that any terminal gives to ``cluster``."""
    return width(cluster) if len(cluster) == 1 else min(width(cluster), 1)


def harmless(text: str) -> str:
    """Another person's message, made safe to print.

    Control characters, which could move the cursor or forge a line, become visible symbols; those
    that change the direction of the text, and invisible ones, are left out; every line after the
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
    """Another person's name, made safe to print as by `harmless`, and on one line."""
    return harmless(" ".join(name.split()))


def visible(control: str) -> str:
    """A symbol of one column for a control character: ``␛`` for ESC."""
    code = ord(control)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def as_typed(char: str) -> str:
    """One character that is being typed, as a symbol that does not break the line."""
    if char == "\n":
        return "↵"
    category = unicodedata.category(char)
    if category == "Cc":
        return visible(char)
    return "\ufffd" if category in ("Cs", "Zl", "Zp") else char
