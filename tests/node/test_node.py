"""Sessions, nodes and the store together: what one node's users see of another's."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail

from chatroom.node.node import FLUSH_TIMEOUT
from chatroom.protocol import messages as wire
from tests.doubles.memory_store import Trouble
from tests.world import World, kinds, private, sms


def test_a_node_that_starts_later_knows_who_is_online(world: World) -> None:
    world.enter(1)
    world.node("late")
    assert world.node("late").presence.roster.person(1) is not None


def test_the_users_of_a_node_that_died_go_offline(world: World) -> None:
    watcher = world.member(1)
    world.enter(2, "two")
    world.wait(1)
    world.forget(watcher)
    world.store("two").crash()
    for _ in range(25):
        world.wait(1)
        watcher.says(wire.PongMes())
    [gone] = watcher.take_one(wire.PresenceMes).changes
    assert (gone.user_id, gone.user_status) == (2, 1)


def test_a_node_that_was_taken_for_dead_says_again_who_is_there(world: World) -> None:
    watcher = world.member(1)
    back = world.member(2, "two")
    world.store("two").fail(Trouble.REFUSES)
    for _ in range(25):
        world.wait(1)
        watcher.says(wire.PongMes())
    assert world.node().presence.roster.person(2) is None
    world.store("two").recover()
    world.wait(10)
    assert world.node().presence.roster.person(2) is not None
    watcher.take()
    watcher.says(private(2, "back?", "id"))
    world.settle()
    assert watcher.acks() == [("id", 200)]
    assert back.texts() == ["back?"]


def test_a_lapse_passes_over_nothing_though_more_comes_before_it_is_mended(world: World) -> None:
    reader, sender = world.member(2, "two"), world.member(1)
    entering = world.connect("two")
    entering.says(world.login(3))
    while entering.session.inbox is None:
        world.clock.turn()
    node, events = world.node("two"), world.backend
    for _ in range(2):
        events.nodes["two"].users.clear()
        node.bus_events.lease_lost()
    sender.says(private(2, "one"), private(3, "uno"))
    for _ in range(4):
        world.clock.turn()
    sender.says(private(2, "two"), private(3, "due"))
    world.wait(3)
    assert reader.texts() == ["one", "two"]
    assert entering.texts() == ["uno", "due"]


def test_a_status_set_while_the_same_user_logs_in_is_not_set_back(world: World) -> None:
    phone = world.member(1)
    for turns in range(25):
        laptop = world.connect()
        laptop.says(world.login(1))
        for _ in range(turns):
            world.clock.turn()
        status = (0, 2)[turns % 2]
        phone.says(wire.StatusMes(status=status))
        world.settle()
        person = world.node().presence.roster.person(1)
        assert person is not None
        assert person.user_status == status
        laptop.cut()
        world.settle()


# ---------------------------------------------------------------- stopping


def test_stopping_answers_what_is_in_hand_and_tells_the_sessions(world: World) -> None:
    client, old, guest = world.member(1), world.member(2, dialect=1), world.connect()
    world.forget(client, old)
    client.says(sms("last words", "id"))
    stopping = ensureDeferred(world.node().stop())
    client.says(sms("too late", "id2"))
    world.wait(0.3)
    world.run(stopping)
    ack, error = client.take()
    assert isinstance(ack, wire.AckMes)
    assert (ack.id, ack.code) == ("id", 200)
    assert isinstance(error, wire.ErrorMes)
    assert (error.code, error.reconnect) == (409, True)
    assert kinds(old.take()) == ["SmsMes"]
    assert all(each.closed for each in (client, old, guest))
    assert world.room_texts() == ["last words"]
    assert world.node().sessions.connections == 0


def test_stopping_waits_no_longer_than_a_second_for_a_frozen_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.member(1)

    async def frozen() -> None:
        await Deferred()

    monkeypatch.setattr(world.store(), "flush", frozen)
    client.says(sms("hello"))
    stopping = ensureDeferred(world.node().stop())
    world.wait(FLUSH_TIMEOUT + 0.3)
    world.run(stopping)
    assert client.closed


def test_a_login_under_way_when_the_node_stops_comes_to_nothing(world: World) -> None:
    client = world.connect()
    client.says(world.login(1))
    stopping = ensureDeferred(world.node().stop())
    world.wait(1)
    world.run(stopping)
    assert client.closed
    assert 1 not in world.backend.nodes["one"].users


def test_a_connection_counts_until_it_is_gone(world: World) -> None:
    client = world.member(1)
    client.outbox.stuck = True
    client.says(wire.PingMes())
    client.session.close()
    assert world.node().sessions.all() == []
    assert world.node().sessions.connections == 1
    client.outbox.drain()
    assert world.node().sessions.connections == 0


def test_a_fault_while_looking_for_what_was_missed_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    monkeypatch.setattr(world.node().presence, "publish_again", lambda: fail(ZeroDivisionError()))
    world.node().bus_events.lease_lost()
    assert "Reading what was missed failed" in logged
