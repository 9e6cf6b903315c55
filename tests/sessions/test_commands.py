"""What a client can ask for, once it is logged in."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import LOBBY, Seq
from chatroom.sessions.commands import COMMANDS
from chatroom.sessions.session import State
from tests.doubles.memory_store import Trouble
from tests.world import Client, World, private, sms


def history(world: World, client: Client, **ask: object) -> wire.HistoryResMes:
    client.says(wire.HistoryMes(**ask))  # type: ignore[arg-type]
    world.settle()
    return client.take_one(wire.HistoryResMes)


def contents(page: wire.HistoryResMes) -> list[str]:
    return [message.content for message in page.messages]


def test_every_message_that_a_client_may_send_is_in_the_table() -> None:
    answers = {"ErrorMes", "AckMes", "PresenceMes", "NotifyUserStatusMes"}
    from_clients = {name for name in wire.MESSAGES if "Res" not in name} - answers
    assert {cls.__name__ for cls in COMMANDS} == from_clients


@pytest.mark.parametrize("state", State)
def test_only_members_may_do_more_than_register_log_in_and_ping(state: State) -> None:
    allowed = {cls.__name__ for cls, command in COMMANDS.items() if command.needs in (None, state)}
    anybody = {"RegisterMes", "PingMes", "PongMes"}
    if state is State.GUEST:
        assert allowed == anybody | {"LoginMes"}
    elif state is not State.MEMBER:
        assert allowed == anybody
    else:
        assert allowed == {cls.__name__ for cls in COMMANDS} - {"LoginMes"}


# ---------------------------------------------------------------- history


def test_history_of_the_room_comes_in_pages_oldest_first(world: World) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}") for n in range(10)))
    world.settle()
    newest = history(world, client, limit=4)
    assert (contents(newest), newest.more) == (["6", "7", "8", "9"], True)
    before = newest.messages[0].seq
    older = history(world, client, room=LOBBY, before=before, limit=6)
    assert (contents(older), older.more) == (["0", "1", "2", "3", "4", "5"], False)
    assert (older.room, older.before, older.limit) == (LOBBY, before, 6)


def test_history_with_somebody_has_what_both_said_and_nothing_of_others(world: World) -> None:
    one, two, three = (world.member(n) for n in (1, 2, 3))
    for sender, to, text in ((one, 2, "a"), (two, 1, "b"), (three, 1, "x"), (one, 2, "c")):
        sender.says(private(to, text))
        world.settle()
    world.forget(one)
    page = history(world, one, peer=2)
    assert contents(page) == ["a", "b", "c"]
    assert [message.to_user_id for message in page.messages] == [2, 1, 2]
    assert (page.peer, page.room, page.more) == (2, UNSET, False)


def test_what_was_seen_live_and_what_history_says_are_the_same(world: World) -> None:
    reader, sender = world.member(2), world.member(1)
    sender.says(sms("to all", "a"), private(2, "to you", "b"))
    world.settle()
    live = {message.content: message for message in reader.take_only(wire.Text)}
    again = [*history(world, reader).messages, *history(world, reader, peer=1).messages]
    for message in again:
        seen = live[message.content]
        assert (message.id, message.seq, message.sent_at) == (seen.id, seen.seq, seen.sent_at)


def test_at_most_so_much_history_comes_at_once(world: World) -> None:
    client = world.member(1)
    for n in range(3):
        client.says(*(sms(f"{n}-{m}") for m in range(100)))
        world.settle()
    page = history(world, client, limit=10**6)
    assert (len(page.messages), page.limit, page.more) == (200, 200, True)


def test_a_page_that_does_not_fit_a_frame_is_cut_at_its_old_end(world: World) -> None:
    client = world.member(1)
    for n in range(150):
        client.says(sms(f"{n} " + "\x01" * 3000))
        world.settle()
    world.forget(client)
    page = history(world, client, limit=150)
    assert len(codec.encode(page)) <= wire.MAX_SERVER_FRAME
    assert 10 < len(page.messages) < 150
    assert page.more
    assert page.messages[-1].content.startswith("149 ")
    older = history(world, client, limit=1, before=page.messages[0].seq)
    assert older.messages[0].content.startswith(f"{149 - len(page.messages)} ")


def test_history_of_a_room_that_is_not_there_is_refused(world: World) -> None:
    client = world.member(1)
    client.says(wire.HistoryMes(room="attic"))
    world.settle()
    assert client.take_one(wire.ErrorMes).code == 404


def test_a_number_that_nobody_has_is_told_by_its_history_before_one_writes(world: World) -> None:
    world.account(2)
    client = world.member(1)
    client.says(wire.HistoryMes(peer=3))
    world.settle()
    assert client.take_one(wire.ErrorMes).code == 404
    assert contents(history(world, client, peer=2)) == []


def test_an_empty_history_is_no_error(world: World) -> None:
    client = world.member(1)
    assert (contents(history(world, client)), history(world, client).more) == ([], False)


# ---------------------------------------------------------------- who is online


def test_who_is_online_comes_in_pages_by_id(world: World) -> None:
    client = world.member(5)
    for user_id in (3, 9, 7, 1):
        world.enter(user_id)
    client.take()
    client.says(wire.UsersMes(limit=3), wire.UsersMes(after=5, limit=3))
    first, second = client.take_only(wire.UsersResMes)
    assert [user.user_id for user in first.users] == [1, 3, 5]
    assert (first.online, first.next) == (5, 5)
    assert [user.user_id for user in second.users] == [7, 9]
    assert second.next is None


def test_a_status_is_told_to_the_others_and_kept(world: World) -> None:
    client, other, elsewhere = world.member(1), world.member(2), world.member(3, "two")
    world.forget(client, other, elsewhere)
    client.says(wire.StatusMes(status=2))
    world.wait(0.3)
    for reader in (other, elsewhere):
        [change] = reader.take_one(wire.PresenceMes).changes
        assert (change.user_id, change.user_status) == (1, 2)
    client.says(sms("busy me"))
    world.settle()
    assert other.take_one(wire.SmsMes).user_status == 2
    client.cut()
    world.wait(0.3)
    other.take()
    world.enter(1)
    world.wait(0.3)
    [change] = other.take_one(wire.PresenceMes).changes
    assert change.user_status == 2


def test_who_asks_after_setting_a_status_is_told_it(world: World) -> None:
    client = world.member(1)
    for status in (2, 0, 2):
        client.says(wire.StatusMes(status=status), wire.UsersMes(after=0, limit=1))
        world.settle()
        [own] = client.take_one(wire.UsersResMes).users
        assert own.user_status == status


def test_a_status_that_is_none_is_malformed(world: World) -> None:
    client = world.member(1)
    client.says_frame(b'{"type":"StatusMes","data":"{\\"status\\":1}"}')
    assert client.take_one(wire.ErrorMes).code == 400


# ---------------------------------------------------------------- marks


def test_what_one_session_received_and_read_the_users_others_are_told(world: World) -> None:
    phone, laptop, away = world.member(2), world.member(2), world.member(2, "two")
    sender = world.member(1)
    sender.says(private(2, "hello"))
    world.settle()
    seq = str(phone.take_one(wire.PrivateMes).seq)
    world.forget(laptop, away, sender)
    phone.says(wire.ReceivedMes(inbox=seq), wire.ReadMes(peer=1, seq=seq))
    world.settle()
    for other in (laptop, away):
        assert other.take() == [wire.ReceivedMes(inbox=seq), wire.ReadMes(peer=1, seq=seq)]
    assert phone.take() == []
    assert sender.take() == []
    answer = world.enter(2).take_one(wire.LoginResMes)
    assert (answer.unread, answer.inbox) == (0, seq)
    assert answer.read == [wire.ReadMark(peer=1, seq=seq)]


def test_nobody_can_confirm_more_than_was_given(world: World) -> None:
    world.account(2)
    sender = world.member(1)
    receiver = world.member(2)
    receiver.says(wire.ReceivedMes(inbox="9999999999999-0"))
    world.settle()
    receiver.cut()
    world.settle()
    sender.says(private(2, "hello"))
    world.settle()
    assert world.enter(2).texts() == ["hello"]


def test_a_confirmation_reaches_a_store_that_was_away(world: World) -> None:
    receiver, sender = world.member(2), world.member(1)
    sender.says(private(2, "hello"))
    world.settle()
    world.store().fail(Trouble.REFUSES)
    receiver.says(wire.ReceivedMes(inbox=str(world.mailbox(2)[-1])))
    world.wait(2)
    world.store().recover()
    world.wait(2)
    receiver.cut()
    assert world.enter(2).texts() == []


# ---------------------------------------------------------------- accounts


def test_a_registration_whose_connection_went_is_made_all_the_same(world: World) -> None:
    client = world.connect()
    client.says(wire.RegisterMes(user=wire.User(user_id=7, user_pwd="secret", user_name="x")))
    client.cut()
    world.settle()
    assert world.backend.accounts[7].name == "x"


def test_a_changed_password_ends_the_users_other_sessions_on_every_node(world: World) -> None:
    mine, beside, elsewhere = world.member(1), world.member(1), world.member(1, "two")
    original, stranger = world.member(1, dialect=1), world.member(2)
    world.forget(mine, beside, elsewhere, original, stranger)
    mine.says(wire.PasswordMes(user_pwd="secret", new_pwd="better one"))
    world.settle()
    assert mine.take_one(wire.PasswordResMes).code == 200
    for other in (beside, elsewhere):
        told = other.take_one(wire.ErrorMes)
        assert (told.code, told.reconnect, other.closed) == (409, False, True)
        assert "the password was changed" in told.error
    assert "密码已更改" in original.take_one(wire.SmsMes).content
    assert original.closed
    mine.says(sms("still here"))
    world.settle()
    assert stranger.texts() == ["still here"]
    assert not mine.gone


@pytest.mark.parametrize(
    ("old", "new", "code"), [("wrong", "better one", 403), ("secret", "short", 506)]
)
def test_a_change_that_fails_says_why_and_ends_no_session(
    world: World, old: str, new: str, code: int
) -> None:
    mine, beside = world.member(1), world.member(1)
    mine.says(wire.PasswordMes(user_pwd=old, new_pwd=new))
    world.settle()
    answer = mine.take_one(wire.PasswordResMes)
    assert answer.code == code
    assert answer.error
    assert not beside.gone
    assert not mine.gone


@pytest.mark.parametrize("by_token", [True, False])
def test_who_is_logging_in_with_what_a_change_makes_void_is_not_left_inside(
    world: World, by_token: bool
) -> None:
    proof: dict[str, Any] = {}
    outcomes: set[int] = set()
    for turns in range(30):
        world.backend.accounts.pop(1, None)
        world.account(1)
        if by_token:
            token = world.enter(1, "two").take_one(wire.LoginResMes).token
            proof = {"token": token, "user_pwd": ""}
        owner, thief = world.member(1), world.connect("two")
        thief.says(world.login(1, **proof))
        for _ in range(turns):
            world.clock.turn()
        owner.says(wire.PasswordMes(user_pwd="secret", new_pwd="better one"))
        world.settle()
        assert owner.take_one(wire.PasswordResMes).code == 200
        assert not thief.session.is_member
        outcomes.update(answer.code for answer in thief.take_only(wire.LoginResMes))
        owner.cut()
        thief.cut()
        world.wait(1)
    # Refused, or let in and then ended.
    assert outcomes == {200, 403}


def test_a_seq_is_a_place_and_not_a_text(world: World) -> None:
    client = world.member(1)
    client.says(sms("a"))
    world.settle()
    [seq] = world.room()
    later = Seq(seq.ms, seq.n + 10)
    assert contents(history(world, client, before=str(later))) == ["a"]
    assert contents(history(world, client, before=str(seq))) == []
