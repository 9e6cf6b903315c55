"""Which names users may have: people must be able to see them, and to tell them apart."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import Final

from idna.core import valid_contextj

#: Longest user name, in characters.
MAX_NAME: Final = 32
#: Most marks (accents, vowel signs) on one character of a name: languages need four at most, and
#: piled up they reach into the lines above and below.
MAX_MARKS: Final = 4

#: Unicode categories that show nothing of their own, so that two names could look the same: among
#: them zero-width joiners, overrides of the writing direction, and tags. What becomes visible by
#: what stands around it is taken there, and nowhere else: see `_all_show`.
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


#: The zero-width non-joiner and joiner.
_JOINERS = frozenset("\u200c\u200d")


class BadName(ValueError):
    """No user may have this name.

    :ivar reason: one word for programs: ``nameLength``, ``nameInvisible``, ``nameAccent`` (without
        a letter) or ``nameAccents`` (too many).
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"userName: {text}")
        self.reason = reason


def shows(char: str) -> bool:
    """Whether a character is visible by itself, wherever it stands."""
    category = unicodedata.category(char)
    if category == "Zs":
        return char in _BLANKS
    return category not in _INVISIBLE and char not in _FILLERS


def _all_show(name: str) -> bool:
    """Whether each character is visible, some of them by what stands around them.

    These are the joiners where RFC 5892 (appendix A.1 and A.2, the rules for names of hosts) allows
    them, as they change the shape of the letters beside them; and the joiners, selectors and tags
    within an emoji that Unicode recommends, spelt in full. Elsewhere they show nothing, so that a
    name with one would look like the name without it.
    """
    hidden = {at for at, char in enumerate(name) if not shows(char)}
    hidden -= {at for at in hidden if name[at] in _JOINERS and valid_contextj(name, at)}
    return not hidden or hidden <= _within_emoji(name)


def _within_emoji(name: str) -> frozenset[int]:
    """The places in ``name`` that belong to emoji which are spelt in full."""
    # Here: its tables are large, and few names need them.
    from emoji import EMOJI_DATA, STATUS, emoji_list

    return frozenset(
        at
        for found in emoji_list(name)
        if EMOJI_DATA[found["emoji"]]["status"] == STATUS["fully_qualified"]
        for at in range(found["match_start"], found["match_end"])
    )


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def check_name(name: str) -> None:
    """Check that it can be a user's name, once trimmed.

    It is not normalised: names are for people to read, and nobody is found by one, so that the same
    name in two forms of Unicode harms no more than the same name twice.

    :raises BadName: not 1 to `MAX_NAME` characters, or some that can't be seen for themselves.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise BadName("nameLength", f"1 to {MAX_NAME} characters")
    if not _all_show(name):
        raise BadName("nameInvisible", "no control or invisible characters")
    if _is_mark(name[0]):
        raise BadName("nameAccent", "an accent needs a letter before it")
    marks = 0
    for char in name:
        marks = marks + 1 if _is_mark(char) else 0
        if marks > MAX_MARKS:
            raise BadName("nameAccents", f"at most {MAX_MARKS} accents on one letter")


def tidy_name(text: str) -> str:
    """Make a valid name of any text; empty if that is not possible."""
    with suppress(BadName):
        check_name(text)
        return text.strip()
    # What shows only by what stands around it goes, as that may go too.
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if _is_mark(char) else 0
        # At the beginning no mark at all.
        if shows(char) and (marks == 0 or (kept and marks <= MAX_MARKS)):
            kept.append(char)
    return "".join(kept).strip()[:MAX_NAME].strip()
