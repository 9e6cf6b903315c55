"""What can be a name: something that people can see, and tell from other names."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Longest user name, in characters.
MAX_NAME: Final = 32
#: Most marks (accents, vowel signs) on one character of a name: languages need four at most, and
#: piled up they reach into the lines above and below.
MAX_MARKS: Final = 4

#: Unicode categories that show nothing of their own, so that two names could look the same: among
#: them zero-width joiners, overrides of the writing direction, and tags.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Letters, marks and symbols that show nothing either: fillers, the empty Braille pattern, joiners,
#: and the selectors of a variant. Unicode calls all but one of them "default ignorable".
_FILLERS = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
#: Of the many blanks only the usual one, and the one of Chinese and Japanese keyboards.
_BLANKS = frozenset(" \u3000")


def shows(char: str) -> bool:
    """Whether a character shows as something of its own."""
    category = unicodedata.category(char)
    if category == "Zs":
        return char in _BLANKS
    return category not in _INVISIBLE and char not in _FILLERS


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def check_name(name: str) -> None:
    """Whether it can be a user's name, once trimmed.

    It is not normalised: names are for people to read, and nobody is found by one, so that the same
    name in two forms of Unicode harms no more than the same name twice.

    :raises ValueError: not 1 to `MAX_NAME` characters, or some that can't be seen for themselves.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise ValueError(f"userName: 1 to {MAX_NAME} characters")
    if not all(map(shows, name)):
        raise ValueError("userName: no control or invisible characters")
    if _is_mark(name[0]):
        raise ValueError("userName: an accent needs a letter before it")
    marks = 0
    for char in name:
        marks = marks + 1 if _is_mark(char) else 0
        if marks > MAX_MARKS:
            raise ValueError(f"userName: at most {MAX_MARKS} accents on one letter")


def tidy_name(name: str) -> str:
    """What can be a name of a text that nobody checked; empty where nothing can."""
    kept: list[str] = []
    marks = 0
    for char in name:
        marks = marks + 1 if _is_mark(char) else 0
        # At the beginning no mark at all.
        if shows(char) and (marks == 0 or (kept and marks <= MAX_MARKS)):
            kept.append(char)
    return "".join(kept).strip()[:MAX_NAME].strip()
