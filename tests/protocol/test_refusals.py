"""What is refused is said in two languages, and either is found by the other."""

from __future__ import annotations

import pytest

from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refusal, in_both

ALL = [value for value in vars(refusals).values() if isinstance(value, Refusal)]
UNTIL = 1_770_000_000_000
MADE = [
    refusals.too_many_tries(7),
    refusals.too_many_registrations(3600),
    refusals.too_many_connections(5),
    refusals.too_many_frames(1),
    refusals.flood(2),
    refusals.password_too_short(12),
    *(
        make(until, reason)
        for make in (refusals.banned, refusals.address_banned, refusals.muted)
        for until in (0, UNTIL)
        for reason in ("", "spam (again): 987654321\nand more", "广告")
    ),
    refusals.with_words(refusals.KICKED, "maintenance: back at 10"),
]


@pytest.mark.parametrize("refusal", ALL + MADE, ids=lambda refusal: refusal.en)
def test_either_language_leads_to_both(refusal: Refusal) -> None:
    assert in_both(refusal.zh) == (refusal.zh, refusal.en)
    assert in_both(refusal.en) == (refusal.zh, refusal.en)


@pytest.mark.parametrize("text", ["", "something else", "wrong passwords", "请求有误: x"])
def test_what_is_none_of_them_is_not_found(text: str) -> None:
    assert in_both(text) is None
