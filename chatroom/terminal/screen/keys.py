"""Turns the characters that a terminal sends into the keys that were pressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple


class Key(Enum):
    """Keys that do something other than insert a character."""

    ENTER = auto()
    LEFT = auto()
    RIGHT = auto()
    WORD_LEFT = auto()
    WORD_RIGHT = auto()
    HOME = auto()
    END = auto()
    UP = auto()
    DOWN = auto()
    BACKSPACE = auto()
    DELETE = auto()
    KILL_BEFORE = auto()
    KILL_AFTER = auto()
    KILL_WORD = auto()
    END_OF_INPUT = auto()
    REDRAW = auto()
    NOTHING = auto()


class Typed(NamedTuple):
    """Characters to insert, typed one by one."""

    text: str


class Pasted(NamedTuple):
    """Characters to insert that the terminal says were pasted; lines end in ``\\n``."""

    text: str


Press = Key | Typed | Pasted

#: Asks the terminal to mark what is pasted, and to stop doing so.
PASTE_ON: Final = "\x1b[?2004h"
PASTE_OFF: Final = "\x1b[?2004l"
_PASTE_BEGIN: Final = "\x1b[200~"
_PASTE_END: Final = "\x1b[201~"

_CONTROL: Final = {
    "\r": Key.ENTER,
    "\n": Key.ENTER,
    "\x01": Key.HOME,
    "\x02": Key.LEFT,
    "\x04": Key.END_OF_INPUT,
    "\x05": Key.END,
    "\x06": Key.RIGHT,
    "\x08": Key.BACKSPACE,
    "\x0b": Key.KILL_AFTER,
    "\x0c": Key.REDRAW,
    "\x0e": Key.DOWN,
    "\x10": Key.UP,
    "\x15": Key.KILL_BEFORE,
    "\x17": Key.KILL_WORD,
    "\x7f": Key.BACKSPACE,
}
#: Last letter of a sequence, as xterm, the VT220, rxvt and the Linux console send them.
_LETTER: Final = {
    "A": Key.UP,
    "B": Key.DOWN,
    "C": Key.RIGHT,
    "D": Key.LEFT,
    "F": Key.END,
    "H": Key.HOME,
    "M": Key.ENTER,
}
_NUMBER: Final = {
    "1": Key.HOME,
    "3": Key.DELETE,
    "4": Key.END,
    "7": Key.HOME,
    "8": Key.END,
}
_ALT: Final = {
    "b": Key.WORD_LEFT,
    "f": Key.WORD_RIGHT,
    "\x7f": Key.KILL_WORD,
    "\x08": Key.KILL_WORD,
}
_BY_WORD: Final = {Key.LEFT: Key.WORD_LEFT, Key.RIGHT: Key.WORD_RIGHT}
#: A whole sequence: CSI with parameters and one letter, SS3 with one letter, or Alt with a key.
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])|O(?P<ss3>[ -~])|(?P<alt>[bf\x7f\x08]))"
)
_BEGUN: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
#: Longest incomplete sequence that waits for its rest, in characters.
_MAX_SEQUENCE: Final = 32


class KeyDecoder:
    """Takes characters in pieces of any size, and returns the keys that they make up."""

    def __init__(self) -> None:
        self._waiting = ""
        self._paste: list[str] | None = None
        #: Input has stopped for a while in the middle of a paste.
        self._stalled = False

    @property
    def pasting(self) -> bool:
        """Whether a paste has begun that has not ended."""
        return self._paste is not None

    def pause(self) -> Iterator[Press]:
        """Input has stopped for a while: return what was pasted so far.

        If the end of a paste was lost, every later key would count as pasted. So the next input is
        taken as a key if it is exactly one key; any other input still belongs to the paste.
        """
        if self._paste is not None:
            self._stalled = True
            so_far = "".join(self._paste)
            lines = so_far.rstrip("\r\n")
            yield from _pasted([lines])
            # It is not known yet whether another line follows the last line end.
            self._paste[:] = [so_far[len(lines) :]]

    def feed(self, characters: str) -> Iterator[Press]:
        """The keys that are complete now; an incomplete sequence waits for its rest."""
        if self._stalled and characters:
            self._stalled = False
            if not self._waiting and _is_one_key(characters):
                self._paste = None
        text, self._waiting = self._waiting + characters, ""
        while text:
            if self._paste is not None:
                text, presses = self._take_paste(self._paste, text)
            else:
                text, presses = self._take_keys(text)
            yield from presses

    def _take_paste(self, pasted: list[str], text: str) -> tuple[str, list[Press]]:
        before, end, rest = text.partition(_PASTE_END)
        if end:
            self._paste = None
            return rest, _pasted([*pasted, before])
        keep = _overlap(text, _PASTE_END)
        pasted.append(text[: len(text) - keep])
        self._waiting = text[len(text) - keep :]
        return "", []

    def _take_keys(self, text: str) -> tuple[str, list[Press]]:
        if text[0] != "\x1b":
            return _take_plain(text)
        if text.startswith(_PASTE_BEGIN):
            self._paste = []
            return text[len(_PASTE_BEGIN) :], []
        match = _SEQUENCE.match(text)
        if match:
            return text[match.end() :], [_key_of(match)]
        if _BEGUN.match(text) and len(text) < _MAX_SEQUENCE:
            self._waiting = text
            return "", []
        # The Escape key by itself, or an unknown sequence: skip the Escape.
        return text[1:], []


def _pasted(pieces: list[str]) -> list[Press]:
    whole = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n")
    return [Pasted(whole)] if whole else []


def _is_one_key(characters: str) -> bool:
    if characters == _PASTE_END:
        return False
    return len(characters) == 1 or _SEQUENCE.fullmatch(characters) is not None


def _take_plain(text: str) -> tuple[str, list[Press]]:
    """The plain characters before the next control character; if none, that one's key."""
    for index, char in enumerate(text):
        if (char >= " " and char != "\x7f") or char == "\t":
            continue
        if index:
            return text[index:], [Typed(text[:index])]
        return text[1:], [_CONTROL.get(char, Key.NOTHING)]
    return "", [Typed(text)]


def _key_of(match: re.Match[str]) -> Key:
    if match["alt"]:
        return _ALT[match["alt"]]
    if match["ss3"]:
        return _LETTER.get(match["ss3"], Key.NOTHING)
    number, _, modifier = match["parameters"].partition(";")
    if match["final"] == "~":
        return _NUMBER.get(number, Key.NOTHING)
    key = _LETTER.get(match["final"], Key.NOTHING)
    return _BY_WORD.get(key, key) if modifier else key


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of ``mark``."""
    return next((n for n in range(len(mark) - 1, 0, -1) if text.endswith(mark[:n])), 0)
