"""One connection's conversation: what is taken from it, when, and how it ends."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from chatroom import wire
from chatroom.session import MAX_UNANSWERED
from tests.doubles.memory_store import Trouble
from tests.world import World, kinds, private, sms


@pytest.fixture
def world() -> World:
    return World()


def test_a_hundred_unanswered_messages_pause_reading_until_one_is_answered(world: World) -> None:
    client = world.member(1)
    world.store().fail(Trouble.HANGS)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(MAX_UNANSWERED + 50)))
    world.settle()
    assert client.has_to_wait()
    world.store().recover()
    world.settle()
    assert not client.has_to_wait()
    assert world.room_texts() == [f"{n}" for n in range(MAX_UNANSWERED + 50)]
    assert client.acks() == [(f"id{n}", 200) for n in range(MAX_UNANSWERED + 50)]


def test_after_a_burst_what_makes_the_server_wait_still_makes_the_next_frame_wait(
    world: World,
) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(5 * MAX_UNANSWERED)))
    world.settle()
    client.take()
    client.says(wire.HistoryMes(limit=1), wire.PingMes())
    world.settle()
    assert kinds(client.take()) == ["HistoryResMes", "PongMes"]
