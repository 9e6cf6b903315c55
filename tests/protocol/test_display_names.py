"""What can be a name, and what only looks like one."""

from __future__ import annotations

import pytest

from chatroom.protocol.display_names import BadName, check_name, tidy_name

ZWNJ, ZWJ, TEXT, EMOJI = "\u200c", "\u200d", "\ufe0e", "\ufe0f"


@pytest.mark.parametrize(
    "name",
    [
        "👨‍👩‍👧",
        "Kim 👩🏽‍🚀",
        "🏳️‍🌈 pride",
        "🧔‍♂️",
        "I ❤️ tea",
        "1️⃣",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        # Persian: between joining letters the non-joiner keeps them apart.
        f"می{ZWNJ}خواهم",
        f"علی{ZWNJ}رضا",
        # Behind a virama either joiner chooses the shape: Sinhala, and Hindi.
        f"ශ්{ZWJ}රී",
        f"क्{ZWNJ}ष",
    ],
)
def test_what_becomes_visible_by_what_stands_around_it_can_be_in_a_name(name: str) -> None:
    check_name(name)
    assert tidy_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        # Between letters that do not join, at an end, or twice, it shows nothing.
        f"ki{ZWNJ}wi",
        f"ki{ZWJ}wi",
        f"علی{ZWNJ}",
        f"{ZWNJ}علی",
        f"می{ZWNJ}{ZWNJ}خواهم",
        f"می{ZWJ}خواهم",
        # د joins nothing behind it.
        f"دا{ZWNJ}ر",
        f"青{ZWJ}柠",
        # No emoji that is recommended: it looks as if there were no joiner.
        f"👩{ZWJ}🍕",
        f"👩{ZWJ}",
        f"{ZWJ}👩",
        f"👨{ZWJ}{ZWJ}👩",
        # A selector where there is nothing to select, or that is there twice.
        f"😀{EMOJI}",
        f"a{EMOJI}",
        f"1{EMOJI}",
        f"❤{EMOJI}{EMOJI}",
        f"❤{TEXT}",
        # A flag's tags behind no flag, and of no region that has one.
        "a\U000e0067\U000e007f",
        "🏴\U000e0061\U000e0061\U000e007f",
        # The same emoji spelt shorter: it would look like the one that is spelt in full.
        f"🏳{ZWJ}🌈",
    ],
)
def test_what_shows_nothing_where_it_stands_can_not(name: str) -> None:
    with pytest.raises(BadName) as refused:
        check_name(name)
    assert refused.value.reason == "nameInvisible"
    check_name(tidy_name(name) or "nothing is left")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "nameLength"),
        ("   ", "nameLength"),
        ("x" * 33, "nameLength"),
        ("a\u202eb", "nameInvisible"),
        ("\u0301a", "nameAccent"),
        ("a" + "\u0301" * 5, "nameAccents"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_in_a_word(name: str, reason: str) -> None:
    with pytest.raises(BadName) as refused:
        check_name(name)
    assert refused.value.reason == reason
