"""What a login is told, and how a refusal is put."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from chatroom.protocol import codec, messages as wire, refusals
from chatroom.protocol.messages import LOBBY, Code, Person
from chatroom.sessions import login, replies
from chatroom.store.events import PresenceEvent
from tests.world import World, private, sms


def crowd(world: World, *user_ids: int) -> None:
    """Users on some other node."""
    people = [Person(user_id=user_id, user_name="x", user_status=0) for user_id in user_ids]
    world.node().bus_events.presence_event(PresenceEvent(node="far", present=people, gone=[]))
    world.settle()


def test_a_dialect_2_login_is_told_where_everything_stands(world: World) -> None:
    sender = world.member(1)
    world.account(2)
    sender.says(sms("x"), private(2, "one"), private(2, "two"))
    world.settle()
    answer = world.enter(2).take_one(wire.LoginResMes)
    assert answer.users_id is UNSET
    assert answer.user_name == "user 2"
    assert {person.user_id for person in answer.users or ()} == {1, 2}
    assert (answer.online, answer.unread) == (2, 2)
    assert answer.rooms == {LOBBY: str(world.room()[-1])}
    assert answer.inbox == "0-0"
    assert answer.read == []
    assert answer.token


@pytest.mark.parametrize(("others", "told"), [(498, 499), (499, 0), (2000, 0)])
def test_a_login_is_told_who_is_online_only_below_500(world: World, others: int, told: int) -> None:
    crowd(world, *range(1000, 1000 + others))
    answer = world.enter(1).take_one(wire.LoginResMes)
    assert len(answer.users or ()) == told
    assert answer.online == others + 1


def test_a_dialect_1_login_gets_as_many_ids_as_fit_its_buffer_its_own_among_them(
    world: World,
) -> None:
    crowd(world, *range(10**12, 10**12 + 5000))
    answer = world.enter(1, dialect=1).take_one(wire.LoginResMes)
    assert answer.users_id
    assert answer.users_id[0] == 1
    assert len(answer.users_id) > 400
    assert len(codec.encode(answer)) <= wire.MAX_FRAME_DIALECT_1


def test_a_failed_dialect_2_login_has_no_ids_at_all(world: World) -> None:
    client = world.connect()
    client.says(wire.LoginMes(user_id=1, user_pwd="x", protocol=2))
    world.settle()
    answer = client.take_one(wire.LoginResMes)
    assert (answer.code, answer.users_id) == (500, UNSET)
    assert answer.error == "no such user: register first"


@pytest.mark.parametrize(
    ("type_name", "message_id", "answer"),
    [
        ("SmsMes", "x", wire.AckMes(id="x", code=404, error="no such room")),
        ("PrivateMes", "x", wire.AckMes(id="x", code=404, error="no such room")),
        ("SmsMes", "", wire.ErrorMes(code=404, error="no such room", about="SmsMes")),
        ("HistoryMes", "", wire.ErrorMes(code=404, error="no such room", about="HistoryMes")),
        ("PasswordMes", "", wire.PasswordResMes(code=404, error="no such room")),
        ("RegisterMes", "", wire.RegisterResMes(code=404, error="没有这个聊天室")),
        (None, "", wire.ErrorMes(code=404, error="no such room")),
    ],
)
def test_each_kind_of_message_is_refused_in_its_own_way(
    type_name: str | None, message_id: str, answer: wire.Message
) -> None:
    assert replies.refused(type_name, message_id, refusals.NO_ROOM, 2) == answer


@pytest.mark.parametrize("code", [Code.MALFORMED, Code.TOO_LARGE])
def test_whatever_else_is_wrong_with_a_registration_is_506(code: Code) -> None:
    refusal = refusals.malformed("why", code)
    answer = replies.refused("RegisterMes", "", refusal, 2)
    assert answer == wire.RegisterResMes(code=506, error="请求有误: why")


def test_of_many_read_marks_the_newest_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "MOST_MARKS", 2)
    world.account(1)
    peers = [world.member(peer) for peer in (2, 3, 4)]
    reader = world.member(1)
    for peer in peers:
        peer.says(private(1, "x"))
        world.settle()
        seq = str(reader.take_one(wire.PrivateMes).seq)
        reader.says(wire.ReadMes(peer=peer.session.user_id, seq=seq))
        world.settle()
    answer = world.enter(1).take_one(wire.LoginResMes)
    assert [mark.peer for mark in answer.read or ()] == [4, 3]
