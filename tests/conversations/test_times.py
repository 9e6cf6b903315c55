"""The time that a message is shown with is that of its sending, wherever its place has led."""

from __future__ import annotations

import pytest

from chatroom.protocol import messages as wire
from chatroom.protocol.messages import LOBBY, Seq
from chatroom.store.records import Entry, Post
from tests.world import Client, World, private, sms

#: The year 2100, in milliseconds since 1970.
FUTURE = 4_102_444_800_000


@pytest.fixture
def world() -> World:
    """One where the clock was in the year 2100 when the last messages were stored."""
    world = World()
    for user_id in (1, 2):
        world.account(user_id)
    for conversation in (LOBBY, 1, 2):
        post = Post(user_id=2, name="two", status=0, sex="", content="old", to=1)
        entry = Entry(seq=Seq(FUTURE, 0), sent_at=FUTURE, post=post)
        world.backend.leave_in_future(conversation, entry)
    return world


def history(world: World, client: Client, **what: int) -> list[wire.Text]:
    client.says(wire.HistoryMes(**what))  # type: ignore[arg-type]
    world.settle()
    return client.take_one(wire.HistoryResMes).messages


def test_in_a_room_it_is_the_same_live_acknowledged_in_history_and_resumed(world: World) -> None:
    ann, ben = world.member(1), world.member(2)
    now = world.backend.now_ms()
    ann.says(sms("hi", "a"))
    world.settle()
    ack, heard = ann.take_one(wire.AckMes), ben.take_one(wire.SmsMes)
    assert ack.sent_at == heard.sent_at == now
    world.wait(1)
    ann.says(sms("hi", "a"))
    world.settle()
    assert ann.take_one(wire.AckMes).sent_at == now
    assert [message.sent_at for message in history(world, ben)] == [FUTURE, now]
    ben.cut()
    world.settle()
    back = world.resume(2, lobby=Seq(FUTURE, 0))
    assert back.take_one(wire.SmsMes).sent_at == now


def test_in_private_it_is_the_same_for_both_and_in_history(world: World) -> None:
    ann, phone, ben = world.member(1), world.member(1), world.member(2)
    world.forget(ann, phone, ben)
    now = world.backend.now_ms()
    ann.says(private(2, "hi", "a"))
    world.settle()
    ack = ann.take_one(wire.AckMes)
    own, theirs = phone.take_one(wire.PrivateMes), ben.take_one(wire.PrivateMes)
    assert ack.sent_at == own.sent_at == theirs.sent_at == now
    world.wait(1)
    ann.says(private(2, "hi", "a"))
    world.settle()
    assert ann.take_one(wire.AckMes).sent_at == now
    assert [message.sent_at for message in history(world, ben, peer=1)][-1] == now
    assert [message.sent_at for message in history(world, ann, peer=2)][-1] == now


def test_what_waited_has_the_time_at_which_it_was_sent(world: World) -> None:
    ann = world.member(1)
    now = world.backend.now_ms()
    ann.says(private(2, "hi", "a"))
    world.settle()
    world.wait(100)
    ben = world.enter(2)
    world.settle()
    late = [one for one in ben.take_only(wire.PrivateMes) if one.content == "hi"]
    assert [one.sent_at for one in late] == [now]
