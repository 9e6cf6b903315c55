"""Messages that arrive: each shown once, in order, and confirmed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from twisted.internet.defer import Deferred, succeed

from chatroom.client import Gap, Incoming, Position, State
from chatroom.protocol import codec, messages as wire
from tests.client.stage import Outcome, Stage, a_welcome, to_person, to_room


def test_a_group_message_is_shown_with_all_there_is_to_it(stage: Stage) -> None:
    stage.say(to_room("hello", "6-0", id="an-id"))
    assert stage.shown == [
        Incoming(
            kind="room",
            room="lobby",
            peer=None,
            user_id=101,
            name="Bob",
            content="hello",
            seq=wire.Seq(6, 0),
            sent_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
            id="an-id",
            own=False,
            late=False,
        )
    ]


def test_a_message_without_a_room_is_for_the_lobby(stage: Stage) -> None:
    stage.say(wire.SmsMes("hello", 101, seq="6-0", sent_at=10**18))
    assert stage.shown[0].room == "lobby"
    assert stage.shown[0].sent_at.year == 1970
    assert stage.client.position.rooms["lobby"] == wire.Seq(6, 0)


def test_what_another_device_of_the_same_user_sends_is_shown_as_ones_own(stage: Stage) -> None:
    stage.say(
        to_room("from my phone", "6-0", user_id=100, id="phone-1"),
        to_person("to Bob", "4-0", user_id=100, to=101, id="phone-2"),
    )
    assert [(i.own, i.peer) for i in stage.shown] == [(True, None), (True, 101)]


def test_what_the_server_announces_is_shown_each_time_and_moves_no_position(stage: Stage) -> None:
    before = stage.client.position
    for _ in range(2):
        stage.say(wire.SmsMes("down at noon", 0, user_name="system", room="lobby", sent_at=1000))
    assert [(one.kind, one.content, one.name) for one in stage.shown] == [
        ("system", "down at noon", "system")
    ] * 2
    assert stage.shown[0].sent_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert stage.client.position == before
    stage.say(to_room("and on it goes", "6-0"))
    assert stage.texts[2:] == ["and on it goes"]


def test_each_place_in_a_conversation_is_shown_once(stage: Stage) -> None:
    stage.say(to_room("old", "5-0"), to_room("a", "6-9"), to_room("a", "6-9"))
    stage.say(to_room("a again", "6-2"), to_room("b", "6-10"), to_room("c", "10-0"))
    stage.say(to_person("p", "3-0"), to_person("q", "3-1"), to_person("q", "3-1"))
    assert stage.texts == ["a", "b", "c", "q"]


def test_what_waited_in_the_mailbox_is_marked_as_late(stage: Stage) -> None:
    stage = Stage()
    stage.log_in(a_welcome(unread=2, inbox="3-0"))
    stage.say(
        to_person("one", "4-0"),
        to_person("own", "4-1", user_id=100, to=101),
        to_person("two", "4-2"),
        to_person("live", "4-3"),
        to_room("room", "6-0"),
    )
    assert [i.late for i in stage.shown] == [True, False, True, False, False]


def test_a_break_leaves_the_rest_of_what_waited_late() -> None:
    stage = Stage()
    stage.log_in(a_welcome(unread=2, inbox="3-0"))
    stage.say(to_person("one", "4-0"))
    stage.network.last.cut()
    stage.come_back(a_welcome(unread=1))
    stage.say(to_person("two", "4-1"), to_person("new", "4-2"))
    assert [i.late for i in stage.shown] == [True, True, False]


def test_private_messages_are_confirmed_together_once_they_were_shown(stage: Stage) -> None:
    stage.say(to_person("one", "4-0"), to_person("two", "4-1"))
    assert stage.server.all(wire.ReceivedMes) == []
    stage.run(0.1)
    assert stage.server.all(wire.ReceivedMes) == [wire.ReceivedMes("4-1")]
    stage.run(5)
    assert len(stage.server.all(wire.ReceivedMes)) == 1


def test_a_confirmation_that_a_break_swallowed_is_made_up_for(stage: Stage) -> None:
    stage.say(to_person("one", "4-0"))
    stage.network.last.cut()
    stage.run(0.15)
    stage.come_back(a_welcome(inbox="3-0"))
    stage.run(0.15)
    assert stage.server.all(wire.ReceivedMes) == [wire.ReceivedMes("4-0")]
    stage.network.last.cut()
    stage.come_back(a_welcome(inbox="4-0"))
    stage.run(1)
    assert stage.server.all(wire.ReceivedMes) == []


def test_what_follows_the_login_in_the_same_packet_comes_after_it() -> None:
    order: list[str] = []
    stage = Stage(on_text=lambda incoming: order.append(incoming.content))
    stage.client.log_in(100, "secret").addCallback(lambda _: order.append("logged in"))
    stage.run()
    stage.say(a_welcome(unread=1), to_person("waited", "4-0"), to_room("new", "6-0"))
    assert order == ["logged in", "waited", "new"]


def test_after_a_break_the_conversation_goes_on_with_no_gap_and_no_double(stage: Stage) -> None:
    stage.say(to_room("1", "6-0"), to_room("2", "6-1"))
    stage.network.last.cut()
    stage.come_back(a_welcome(rooms={"lobby": "6-3", "new-room": "1-0"}))
    stage.say(to_room("2", "6-1"), to_room("3", "6-2"), to_room("4", "6-3"), to_room("5", "6-4"))
    assert stage.texts == ["1", "2", "3", "4", "5"]
    assert stage.client.position.rooms == {"lobby": wire.Seq(6, 4), "new-room": wire.Seq(1, 0)}


def test_a_gap_is_told_and_the_conversation_goes_on_behind_it(stage: Stage) -> None:
    stage.network.last.cut()
    stage.come_back()
    stage.say(
        wire.ErrorMes(410, "gone", rooms={"lobby": "9-0"}, inbox="8-3"),
        to_room("first held", "9-0"),
        to_person("first held too", "8-3"),
    )
    assert stage.gaps == [Gap("lobby", wire.Seq(9, 0)), Gap(None, wire.Seq(8, 3))]
    assert stage.texts == ["first held", "first held too"]


def test_a_server_restored_from_an_old_backup_is_followed_back(stage: Stage) -> None:
    stage.say(to_room("before", "50-0"))
    stage.network.last.cut()
    stage.come_back()
    stage.say(wire.ErrorMes(410, "gone", rooms={"lobby": "0-0"}))
    stage.say(to_room("after", "6-0"))
    assert stage.texts == ["before", "after"]


def test_the_place_before_a_gap_can_itself_be_resumed_from() -> None:
    position = Position()
    position.restart("lobby", wire.Seq(9, 0))
    position.restart(None, wire.Seq(0, 0))
    resume = position.resume()
    assert resume is not None
    assert codec.decode(codec.encode(wire.LoginMes(1, resume=resume))) is not None
    assert not position.took("lobby", wire.Seq(8, 5))
    assert position.took("lobby", wire.Seq(9, 0))
    assert position.took(None, wire.Seq(0, 1))


def test_what_comes_before_a_login_is_not_shown() -> None:
    stage = Stage()
    stage.connect()
    stage.say(to_room("early", "6-0"))
    assert stage.shown == []


def _raise(*_: object) -> None:
    raise ZeroDivisionError


async def _raise_later(*_: object) -> None:
    await succeed(None)
    raise ZeroDivisionError


def _fail(*_: object) -> Deferred[None]:
    return Deferred.fromCoroutine(_raise_later())


@pytest.mark.parametrize("broken", [_raise, _raise_later, _fail])
def test_a_callback_that_fails_is_logged_and_breaks_nothing(
    broken: Callable[..., object], logged: list[Exception]
) -> None:
    names = ("on_text", "on_presence", "on_state", "on_gap", "on_mark")
    stage = Stage(**dict.fromkeys(names, broken))
    stage.log_in()
    stage.say(to_room("a", "6-0"), to_person("b", "4-0"))
    stage.say(wire.PresenceMes(1, []), wire.ReadMes(101, "4-0"))
    stage.say(wire.ErrorMes(410, "gone", rooms={"lobby": "9-0"}))
    sent = Outcome(stage.client.send("still there"))
    stage.run(0.2)
    stage.ack(stage.server.ids()[0], "9-0")
    assert sent.value is not None
    assert stage.server.all(wire.ReceivedMes) == [wire.ReceivedMes("4-0")]
    assert len(logged) == 7
    assert {type(error) for error in logged} == {ZeroDivisionError}


def test_a_client_without_callbacks_works() -> None:
    names = ("on_text", "on_presence", "on_state", "on_gap", "on_mark")
    stage = Stage(**dict.fromkeys(names))
    stage.log_in()
    stage.say(to_room("a", "6-0"))
    assert stage.client.position.rooms["lobby"] == wire.Seq(6, 0)


def test_a_bot_may_close_from_within_a_callback_and_has_confirmed_what_it_got() -> None:
    stage: Stage
    stage = Stage(on_text=lambda _: stage.client.close())
    stage.log_in()
    stage.say(to_person("bye", "4-0"), to_person("not looked at", "4-1"))
    stage.run()
    assert stage.state() is State.CLOSED
    assert wire.ReceivedMes("4-0") in stage.server.got


def test_presence_keeps_the_roster(stage: Stage) -> None:
    bob, cat = wire.Person(101, "Bob", 0), wire.Person(102, "Cat", 2)
    stage.say(wire.PresenceMes(3, [bob, cat]))
    assert stage.client.online == {100: wire.Person(100, "Ann", 0), 101: bob, 102: cat}
    stage.say(wire.PresenceMes(2, [wire.Person(101, "Bob", 1), wire.Person(7, "?", 1)]))
    assert set(stage.client.online) == {100, 102}
    assert (stage.client.online_count, stage.client.partial) == (2, False)
    assert [count for _, count in stage.presence] == [3, 2]


def test_who_came_and_went_during_a_break_is_told_after_it(stage: Stage) -> None:
    ann = wire.Person(100, "Ann", 0)
    stage.say(wire.PresenceMes(2, [wire.Person(101, "Bob", 0)]))
    stage.network.last.cut()
    stage.come_back(a_welcome(users=[ann, wire.Person(102, "Cat", 0)], online=2))
    changes, count = stage.presence[-1]
    assert {(p.user_id, p.user_status) for p in changes} == {(101, 1), (102, 0)}
    assert count == 2


def test_with_too_many_users_the_roster_is_known_to_be_partial(stage: Stage) -> None:
    stage.say(wire.PresenceMes(600, [], partial=True))
    assert stage.client.partial
    assert stage.presence == [([], 600)]
    stage.say(wire.PresenceMes(300, []))
    assert stage.client.partial
    stage.network.last.cut()
    stage.come_back(a_welcome(users=[], online=700))
    assert (stage.client.partial, stage.client.online, stage.client.online_count) == (True, {}, 700)
    assert stage.presence[-1] == ([], 700)


def test_what_another_device_has_got_and_shown_is_told(stage: Stage) -> None:
    stage.say(wire.ReadMes(101, "4-0"), wire.ReceivedMes("4-0"))
    assert stage.marks == [wire.ReadMes(101, "4-0"), wire.ReceivedMes("4-0")]
    assert stage.client.read == {101: wire.Seq(4, 0)}


def test_what_the_person_has_seen_is_said_once_and_never_back(stage: Stage) -> None:
    for seq in ("4-0", "4-0", "3-9", "4-1"):
        stage.client.mark_read(101, seq)
    stage.client.mark_read(102, wire.Seq(9, 0))
    stage.run(1.1)
    assert [(m.peer, m.seq) for m in stage.server.all(wire.ReadMes)] == [
        (101, "4-0"),
        (101, "4-1"),
        (102, "9-0"),
    ]


def test_what_was_seen_of_many_conversations_is_said_little_by_little(stage: Stage) -> None:
    for peer in range(200, 210):
        stage.client.mark_read(peer, "4-0")
    stage.run()
    assert len(stage.server.all(wire.ReadMes)) == 1
    stage.run(1.1)
    assert len(stage.server.all(wire.ReadMes)) == 4
    stage.run(3)
    assert [mark.peer for mark in stage.server.all(wire.ReadMes)] == list(range(200, 210))


def test_what_was_seen_is_said_again_when_it_came_too_fast(stage: Stage) -> None:
    stage.client.mark_read(101, "4-0")
    stage.run()
    stage.say(wire.ErrorMes(429, "too fast", retry_after=2, about="ReadMes"))
    stage.client.mark_read(102, "5-0")
    stage.run(1.9)
    assert len(stage.server.all(wire.ReadMes)) == 1
    stage.run(0.2)
    assert [m.peer for m in stage.server.all(wire.ReadMes)] == [101, 101, 102]


def test_what_the_person_saw_during_a_break_is_said_after_it(stage: Stage) -> None:
    stage.network.last.cut()
    stage.client.mark_read(101, "4-0")
    stage.client.mark_read(102, "4-0")
    read = [wire.ReadMark(102, "4-0"), wire.ReadMark(103, "1-0")]
    stage.come_back(a_welcome(read=read))
    assert [(m.peer, m.seq) for m in stage.server.all(wire.ReadMes)] == [(101, "4-0")]
    assert stage.client.read[103] == wire.Seq(1, 0)


def test_nobody_logged_in_has_seen_nothing() -> None:
    stage = Stage()
    stage.client.mark_read(101, "4-0")
    assert stage.client.read == {}


def test_an_error_about_nothing_in_particular_is_left_alone(stage: Stage) -> None:
    stage.say(wire.ErrorMes(400, "a status that is none"), wire.ErrorMes(410, "gone"))
    stage.say(wire.PongMes(), wire.NotifyUserStatusMes(1, 0))
    assert stage.state() is State.ONLINE
    assert stage.gaps == []
