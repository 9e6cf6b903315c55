"""Parsers for command-line arguments: durations, targets, reasons."""

from __future__ import annotations

import re
from typing import Final

from chatroom.common import addresses
from chatroom.config.option_parsers import number
from chatroom.protocol import messages as wire

#: Longest reason, in characters: it goes out in one line.
MAX_REASON: Final = 500
#: Longest time that a ban or a mute can be given, in days. Longer is for good.
MAX_DAYS: Final = 36_500

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def duration(text: str) -> int:
    """``30m``, ``12h``, ``7d`` and so on, in seconds.

    :raises ValueError: it is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_DAYS * 86_400:
        raise ValueError(f"{text!r} is not a duration up to {MAX_DAYS}d: write 30m, 12h, 7d or 2w")
    return seconds


def user_id(text: str) -> int:
    """:raises ValueError: it is no account's id."""
    if not (re.fullmatch("[0-9]{1,16}", text) and 1 <= int(text) <= 2**53 - 1):
        raise ValueError(f"{text!r} is not a user id (a whole number from 1 to {2**53 - 1}")
    return int(text)


def target(text: str) -> int | str:
    """An account's id, or a network as the store writes it.

    :raises ValueError: it is neither.
    """
    if re.fullmatch("[0-9]+", text):
        return user_id(text)
    try:
        return str(addresses.network(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a user id nor an address or network such as 192.0.2.7, "
            "192.0.2.0/24 or 2001:db8::/48"
        ) from None


def reason(text: str) -> str:
    """:raises ValueError: it can't be shown in one line."""
    if len(text) > MAX_REASON or not text.isprintable():
        raise ValueError(f"a reason is one line of at most {MAX_REASON} characters")
    return text


def announcement(text: str) -> str:
    """:raises ValueError: it can't be sent."""
    if not text.strip():
        raise ValueError("there is nothing to announce")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("that is no text in this terminal's encoding") from None
    wire.SmsMes(content=text)
    return text


#: How many lines to print.
count: Final = number(1, 100_000)
