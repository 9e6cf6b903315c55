"""What operators decide holds at once, on every node, and for who comes next."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from twisted.internet.defer import ensureDeferred

from chatroom.moderation.sanctions import AddressBans
from chatroom.protocol import messages as wire
from chatroom.protocol.dialects import DIALECT_1
from chatroom.protocol.messages import SEQ_ZERO, Code
from chatroom.store.events import Ending
from chatroom.store.records import Measure, Sanction
from tests.doubles.memory_store import Trouble
from tests.world import Client, World, private, sms


def impose(world: World, user_id: int, measure: Measure, seconds: int = 0, why: str = "") -> None:
    world.account(user_id)
    assert world.run(world.store().impose(user_id, measure, seconds=seconds, reason=why))


def lift(world: World, user_id: int, measure: Measure) -> None:
    assert world.run(world.store().lift(user_id, measure))


def ban_addresses(world: World, network: str, seconds: int = 0, why: str = "") -> None:
    world.run(world.store().ban_addresses(network, seconds=seconds, reason=why))
    world.settle()


def login(world: World, user_id: int, **more: Any) -> wire.LoginResMes:
    client = world.connect()
    client.says(world.login(user_id, **more))
    world.settle()
    return client.take_one(wire.LoginResMes)


def farewell(client: Client) -> wire.ErrorMes:
    """What a session was told that the server ended."""
    assert client.closed
    return client.take_one(wire.ErrorMes)


# ---------------------------------------------------------------- mutes


@pytest.mark.parametrize("message", [sms("hi", "id"), private(1, "hi", "id")])
def test_a_muted_user_is_not_heard_and_told_why_and_until_when(
    world: World, message: wire.Text
) -> None:
    listener, muted = world.member(1), world.member(2, "two")
    impose(world, 2, Measure.MUTE, 3600, "spam")
    muted.says(message)
    world.settle()
    ack = muted.take_one(wire.AckMes)
    assert (ack.id, ack.code) == ("id", 403)
    assert ack.error.startswith("you are muted until 20")
    assert ack.error.endswith(" UTC: spam")
    assert ack.until == world.backend.sanctions[2, Measure.MUTE].until
    assert listener.texts() == []
    assert not muted.closed


def test_a_muted_original_client_reads_why(world: World) -> None:
    muted = world.member(2, dialect=1)
    impose(world, 2, Measure.MUTE, why="spam")
    muted.says(sms("hi"))
    world.settle()
    assert muted.texts() == ["[系统] 你已被禁言: spam"]


def test_a_mute_ends_by_itself_with_no_word_from_the_store(world: World) -> None:
    listener, muted = world.member(1), world.member(2)
    impose(world, 2, Measure.MUTE, 30)
    world.store().fail(Trouble.REFUSES)
    world.wait(29)
    muted.says(sms("too early", "1"))
    assert (muted.take_one(wire.AckMes).code) == 403
    world.wait(2)
    world.store().recover()
    world.settle()
    muted.says(sms("at last", "2"))
    world.settle()
    assert listener.texts() == ["at last"]


def test_who_is_muted_while_away_is_muted_when_back(world: World) -> None:
    impose(world, 2, Measure.MUTE)
    muted = world.member(2)
    muted.says(sms("hi", "id"))
    world.settle()
    assert muted.acks() == [("id", 403)]
    lift(world, 2, Measure.MUTE)
    world.settle()
    muted.says(sms("hi", "id"))
    world.settle()
    assert muted.acks() == [("id", 200)]


# ---------------------------------------------------------------- bans of accounts


def test_a_ban_ends_all_sessions_on_every_node_and_nobody_elses(world: World) -> None:
    laptop, phone, other = world.member(2), world.member(2, "two"), world.member(3, "two")
    old = world.member(2, "two", dialect=1)
    impose(world, 2, Measure.BAN, why="enough")
    world.settle()
    for client in (laptop, phone):
        told = farewell(client)
        assert (told.code, told.reconnect, told.until) == (Code.WRONG_PASSWORD, False, 0)
        assert told.error == "you are banned: enough"
    assert "[系统] 你已被封禁: enough" in old.texts()
    assert old.closed
    assert not other.closed
    world.wait(0.5)
    assert [p.user_id for m in other.take_only(wire.PresenceMes) for p in m.changes] == [2]


def test_a_banned_user_is_told_so_only_with_the_right_password_or_token(world: World) -> None:
    token = world.enter(2).take_one(wire.LoginResMes).token
    impose(world, 2, Measure.BAN, 60, "enough")
    world.settle()
    for proof in ({"user_pwd": "secret"}, {"user_pwd": "", "token": token}):
        answer = login(world, 2, **proof)
        assert answer.code == Code.WRONG_PASSWORD
        assert answer.error.endswith("UTC: enough")
        assert answer.until == world.backend.sanctions[2, Measure.BAN].until
    answer = login(world, 2, user_pwd="wrong")
    assert (answer.code, answer.error, answer.until) == (403, "wrong password", UNSET)
    world.wait(61)
    assert login(world, 2).code == 200


def test_a_ban_that_comes_at_any_moment_of_a_login_holds(world: World) -> None:
    world.member(1)
    for turns in range(25):
        client = world.connect()
        client.says(world.login(2))
        for _ in range(turns):
            world.clock.turn()
        impose(world, 2, Measure.BAN)
        world.wait(0.3)
        assert not client.session.is_member
        assert world.node().presence.roster.person(2) is None
        client.cut()
        lift(world, 2, Measure.BAN)


def test_a_new_password_at_any_moment_of_a_login_with_the_old_one_holds(world: World) -> None:
    world.member(1)
    for turns in range(25):
        account = replace(world.account(2))
        client = world.connect()
        client.says(world.login(2))
        for _ in range(turns):
            world.clock.turn()
        store = world.store()
        replacing = ensureDeferred(store.replace_password(account, "another", void_tokens=True))
        ending = ensureDeferred(store.end_sessions(2, Ending.PASSWORD_CHANGED))
        assert world.run(replacing)
        world.run(ending)
        world.wait(0.3)
        assert not client.session.is_member
        client.cut()
        world.settle()
        world.backend.accounts[2] = account


def test_a_node_that_was_out_of_touch_makes_up_for_what_it_missed(world: World) -> None:
    watcher = world.member(1)
    banned, muted, gone = (world.member(number, "two") for number in (2, 3, 4))
    near = world.connect("two", address="192.0.2.1")
    world.store("two").fail(Trouble.REFUSES)
    for _ in range(25):
        world.wait(1)
        watcher.says(wire.PongMes())
    impose(world, 2, Measure.BAN)
    impose(world, 3, Measure.MUTE)
    world.run(world.store().delete_account(4))
    ban_addresses(world, "192.0.2.0/24")
    assert not any(client.closed for client in (banned, muted, gone, near))
    world.store("two").recover()
    world.wait(10)
    assert (banned.closed, muted.closed, gone.closed, near.closed) == (True, False, True, True)
    muted.take()
    muted.says(sms("hi", "id"))
    world.settle()
    assert muted.acks() == [("id", 403)]


def test_what_could_not_be_read_is_read_when_the_store_is_back(world: World) -> None:
    client = world.member(2)
    world.store("two")
    world.store().fail(Trouble.REFUSES)
    world.run(world.store("two").impose(2, Measure.BAN, seconds=0, reason=""))
    world.store().recover()
    world.store().fail(Trouble.FORGETS)
    world.wait(2)
    assert not client.closed
    world.store().recover()
    world.wait(2)
    assert client.closed


def test_a_changed_password_spares_its_session_also_after_a_lapse(world: World) -> None:
    client, other = world.member(2), world.member(2)
    client.says(wire.PasswordMes(user_pwd="secret", new_pwd="another"))
    world.settle()
    assert client.take_one(wire.PasswordResMes).code == 200
    world.node().bus_events.lease_lost()
    world.wait(3)
    assert not client.closed
    assert other.closed


# ---------------------------------------------------------------- deleting


def test_a_deleted_user_is_gone_and_what_it_wrote_is_nobodys(world: World) -> None:
    reader, writer = world.member(1), world.member(2, "two")
    writer.says(sms("to all"), private(1, "to you"))
    world.settle()
    live = reader.take_only(wire.Text)
    assert [text.user_name for text in live] == ["user 2"] * 2
    assert world.run(world.store().delete_account(2))
    world.settle()
    told = farewell(writer)
    assert (told.code, told.reconnect) == (Code.NO_SUCH_USER, False)
    reader.says(wire.HistoryMes(), wire.HistoryMes(peer=2))
    world.settle()
    back = world.resume(1, lobby=SEQ_ZERO, inbox=SEQ_ZERO)
    read = [text for page in reader.take_only(wire.HistoryResMes) for text in page.messages]
    again = back.take_only(wire.Text)
    for texts in (read, again):
        assert [(text.user_id, text.user_name, text.sex) for text in texts] == [
            (2, "deleted user", "")
        ] * 2
    assert login(world, 1).code == 200


def test_an_original_client_reads_the_same_in_chinese(world: World) -> None:
    world.account(1)
    writer = world.member(2)
    writer.says(private(1, "to you"))
    world.settle()
    world.run(world.store().delete_account(2))
    world.settle()
    late = world.enter(1, dialect=1)
    world.settle()
    assert late.take_one(wire.SmsMes).user_name == "已注销用户"


# ---------------------------------------------------------------- addresses


def test_a_banned_network_is_refused_at_the_door_and_its_sessions_end(world: World) -> None:
    here = world.connect(address="192.0.2.7")
    there = world.connect("two", address="::ffff:192.0.2.8")
    other, unix = world.connect(address="192.0.3.7"), world.connect()
    ban_addresses(world, "192.0.2.0/24", 60, "scans")
    for client in (here, there):
        told = farewell(client)
        assert (told.code, told.reconnect) == (Code.WRONG_PASSWORD, False)
        assert "your address is banned until" in told.error
        assert told.error.endswith("UTC: scans)")
    assert not other.closed
    assert not unix.closed
    late = world.connect("two", address="192.0.2.9")
    late.says(world.login(2))
    world.settle()
    assert farewell(late).code == 403
    world.wait(61)
    back = world.connect(address="192.0.2.7")
    world.settle()
    assert not back.closed


def test_a_node_that_starts_knows_what_is_banned(world: World) -> None:
    ban_addresses(world, "2001:db8::/32")
    client = world.connect("late", address="2001:db8:1::5")
    world.settle()
    assert client.closed


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ("2001:db8::/48", "2001:db8:0:ffff::1", "2001:db8:1::"),
        ("fe80::/10", "fe80::1%eth0", "local"),
    ],
)
def test_a_network_is_all_of_its_addresses_and_no_other(
    network: str, inside: str, outside: str
) -> None:
    bans = AddressBans()
    bans.replace({network: Sanction(reason="x"), "198.51.100.0/25": Sanction()}, now=5)
    assert bans.refusal(inside, 5) is not None
    assert bans.refusal(outside, 5) is None


# ---------------------------------------------------------------- announcements


def test_an_announcement_of_any_length_fits_an_original_client() -> None:
    words = wire.SmsMes(content="你" * wire.MAX_CONTENT, user_name=wire.SERVER_NAME)
    pieces = DIALECT_1.encode([words])
    assert len(pieces) > 1
    assert all(len(piece) <= 4 + wire.MAX_FRAME_DIALECT_1 for piece in pieces)
