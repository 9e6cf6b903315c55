"""One connection's conversation: what is taken from it, when, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from twisted.internet.defer import Deferred

from chatroom.common.counters import Count
from chatroom.limits.backpressure import MAX_UNANSWERED
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import LOBBY, Code
from chatroom.sessions.session import CLOSE_TIMEOUT
from chatroom.store.events import Ending
from tests.doubles.memory_store import Trouble
from tests.world import Client, World, kinds, private, sms


def speaker(world: World) -> Client:
    """Somebody else, to be heard."""
    return world.member(99)


# ---------------------------------------------------------------- logging in


@pytest.mark.parametrize("dialect", [1, 2])
def test_the_answer_comes_first_and_nothing_that_others_do_overtakes_it(
    world: World, dialect: int
) -> None:
    world.account(1)
    for turns in range(25):
        other = world.member(99)
        client = world.connect()
        client.says(world.login(1, dialect=dialect))
        for _ in range(turns):
            world.clock.turn()
        other.says(sms("hello"), private(1, "psst"), wire.StatusMes(status=2))
        world.connect().says(world.login(50 + turns))
        world.settle()
        assert kinds(client.got)[0] == "LoginResMes"
        assert "psst" in "".join(client.texts())
        client.cut()
        other.cut()
        world.settle()


def test_a_login_on_a_session_that_is_logged_in_is_malformed(world: World) -> None:
    client = world.member(1)
    client.says(world.login(1))
    world.settle()
    assert client.take_one(wire.LoginResMes).code == 400
    client.says(sms("still here", "id"))
    world.settle()
    assert client.acks() == [("id", 200)]


def test_an_unknown_protocol_is_refused_as_dialect_2(world: World) -> None:
    client = world.connect()
    client.says(world.login(1, protocol=3))
    world.settle()
    answer = client.take_one(wire.LoginResMes)
    assert (answer.code, answer.users_id) == (400, UNSET)


@pytest.mark.parametrize("resume", [UNSET, wire.Resume(rooms={LOBBY: "0-0"}, inbox="0-0")])
def test_a_connection_lost_at_any_moment_of_a_login_leaves_nobody_online(
    world: World, resume: wire.Resume
) -> None:
    other = speaker(world)
    for turns in range(25):
        client = world.connect()
        client.says(world.login(1, resume=resume))
        for _ in range(turns):
            world.clock.turn()
        client.cut()
        # Would fail the test if it were sent to the connection that is gone.
        other.says(sms("anybody?"), private(1, "you?"))
        world.wait(0.5)
        assert world.node().presence.roster.person(1) is None
        assert 1 not in world.backend.nodes["one"].users
        assert world.node().sessions.connections == 1
        other.says(private(1, "you?", "id"))
        world.settle()
        assert other.acks() == [("id", 202)]
        world.backend.mailboxes.clear()


def test_a_second_session_survives_whatever_happens_to_the_first(world: World) -> None:
    other = speaker(world)
    for turns in range(25):
        first, second = world.connect(), world.connect()
        first.says(world.login(1))
        second.says(world.login(1))
        for _ in range(turns):
            world.clock.turn()
        first.cut()
        world.settle()
        second.take()
        other.says(private(1, "you?", f"{turns}"))
        world.settle()
        assert other.acks() == [(f"{turns}", 200)]
        assert second.texts() == ["you?"]
        second.says(wire.ReceivedMes(inbox=str(world.mailbox(1)[-1])))
        second.cut()
        world.settle()


@pytest.mark.parametrize("trouble", [Trouble.REFUSES, Trouble.FORGETS])
def test_a_store_that_fails_at_any_moment_of_a_login_costs_a_505_and_no_more(
    world: World, trouble: Trouble
) -> None:
    answers = []
    for turns in range(20):
        client = world.connect()
        client.says(world.login(1, resume=wire.Resume(rooms={LOBBY: "1-0"}, inbox="1-0")))
        for _ in range(turns):
            world.clock.turn()
        world.store().fail(trouble)
        world.wait(0.3)
        world.store().recover()
        answers.append(client.take_one(wire.LoginResMes).code)
        world.wait(2)
        if answers[-1] == 505:
            assert world.node().presence.roster.person(1) is None
            client.says(world.login(1))
            world.wait(1.5)
            assert client.take_one(wire.LoginResMes).code == 200
        client.cut()
        world.wait(1.5)
        assert world.node().presence.roster.person(1) is None
        assert world.backend.nodes["one"].users == {}
    assert answers[0] == 505
    assert answers[-1] == 200


def test_a_fault_of_the_servers_own_during_a_login_lets_the_client_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.connect()
    with monkeypatch.context() as patch:
        patch.setattr(type(world.store()), "mailbox_state", lambda *_: 1 // 0)
        client.says(world.login(1))
        world.settle()
    assert client.take_one(wire.LoginResMes).code == 505
    assert world.node().presence.roster.person(1) is None
    client.says(world.login(1))
    world.settle()
    assert client.take_one(wire.LoginResMes).code == 200


def test_a_login_whose_answer_can_not_be_sent_leaves_nothing_behind(world: World) -> None:
    client = world.connect(send_queue=500)
    client.outbox.stuck = True
    client.says(*[wire.PingMes()] * 8, world.login(1))
    world.settle()
    assert client.session.closed
    speaker(world).says(sms("hello"), private(1, "psst"))
    world.wait(1)
    client.outbox.drain()
    assert kinds(client.take()) == ["ErrorMes"]
    assert world.node().presence.roster.person(1) is None


def test_what_other_sessions_mark_while_a_login_is_under_way_comes_behind_its_answer(
    world: World,
) -> None:
    world.account(2)
    world.member(1).says(private(2, "hello"))
    phone = world.enter(2)
    message = phone.take_one(wire.PrivateMes)
    told = []
    for turns in range(25):
        laptop = world.connect()
        laptop.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "1-0"}, inbox="1-0")))
        for _ in range(turns):
            world.clock.turn()
        world.account(turns + 1)
        phone.says(wire.ReadMes(peer=turns + 1, seq=str(message.seq)))
        world.settle()
        assert kinds(laptop.got)[0] == "LoginResMes"
        answer = laptop.got[0]
        assert isinstance(answer, wire.LoginResMes)
        known = {mark.peer for mark in answer.read or ()}
        told = [mark.peer for mark in laptop.take_only(wire.ReadMes)]
        assert turns + 1 in known or turns + 1 in told
        laptop.cut()
        world.settle()
    assert told


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "message",
    [
        sms("hello"),
        private(1),
        wire.ReceivedMes(inbox="1-0"),
        wire.ReadMes(peer=1, seq="1-0"),
        wire.UsersMes(),
        wire.StatusMes(status=0),
        wire.HistoryMes(),
        wire.LogoutMes(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_who_is_not_logged_in_is_told_so_in_both_languages(
    world: World, message: wire.Message
) -> None:
    client = world.connect()
    client.says(message)
    world.settle()
    error = client.take_one(wire.ErrorMes)
    assert error.code == 401
    assert error.error == "请先登录 (log in first)"
    assert not client.gone


def test_who_is_not_logged_in_can_not_change_a_password(world: World) -> None:
    client = world.connect()
    client.says(wire.PasswordMes(user_pwd="a", new_pwd="b"))
    assert client.take_one(wire.PasswordResMes).code == 401


def test_anybody_may_ask_whether_the_server_is_there(world: World) -> None:
    client = world.connect()
    client.says(wire.PingMes(), wire.PongMes())
    assert kinds(client.take()) == ["PongMes"]


@pytest.mark.parametrize(
    ("payload", "answer", "code"),
    [
        (b'{"type":"NoMes","data":"{}"}', "ErrorMes", 400),
        (b'{"type":"PongMes","data":"[]"}', "ErrorMes", 400),
        (b'{"type":"LoginMes","data":"{}"}', "LoginResMes", 400),
        (b'{"type":"RegisterMes","data":"{}"}', "RegisterResMes", 506),
        (b'{"type":"PasswordMes","data":"{}"}', "PasswordResMes", 400),
        (b'{"type":"LoginResMes","data":"{\\"code\\":200}"}', "ErrorMes", 400),
        (b'{"type":"SmsMes","data":"{\\"id\\":\\"x\\"}"}', "AckMes", 400),
        (b'{"type":"PrivateMes","data":"{\\"id\\":\\"x\\",\\"content\\":\\"\\"}"}', "AckMes", 400),
        (b'{"type":"SmsMes","data":"{}"}', "ErrorMes", 400),
    ],
)
def test_what_is_malformed_is_answered_in_its_own_kind_and_costs_nothing_else(
    world: World, payload: bytes, answer: str, code: int
) -> None:
    client = world.member(1)
    client.says_frame(payload)
    world.settle()
    [message] = client.take()
    assert (type(message).__name__, getattr(message, "code", None)) == (answer, code)
    client.says(sms("still here", "id"))
    world.settle()
    assert client.acks() == [("id", 200)]


def test_a_content_that_is_too_long_is_said_to_be(world: World) -> None:
    client = world.member(1)
    client.says(wire.SmsMes(content="x" * 4000, id="fits"))
    data = '{\\"content\\":\\"' + "x" * 4001 + '\\",\\"id\\":\\"too long\\"}'
    client.says_frame(f'{{"type":"SmsMes","data":"{data}"}}'.encode())
    world.settle()
    assert sorted(client.acks()) == [("fits", 200), ("too long", 413)]


def test_a_dialect_1_client_reads_what_is_wrong_as_a_message_of_the_system(world: World) -> None:
    client = world.member(1, dialect=1)
    client.says(wire.PrivateMes(content="hello", to_user_id=12345, id="x"))
    world.settle()
    message = client.take_one(wire.SmsMes)
    assert message.content == "[系统] 对方不存在, 消息没有发出"
    assert message.user_id == 0


def test_nothing_is_taken_from_a_session_that_has_ended(world: World) -> None:
    client = world.member(1)
    client.outbox.stuck = True
    client.says(wire.PingMes())
    client.session.close()
    client.says(sms("too late"), wire.PingMes())
    world.settle()
    assert world.room() == []
    client.outbox.drain()
    assert kinds(client.take()) == ["PongMes"]


def test_a_fault_of_the_servers_own_costs_nobody_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.member(1)
    monkeypatch.setattr(type(world.store()), "append_to_room", lambda *_: 1 // 0)
    monkeypatch.setattr(type(world.store()), "room_before", lambda *_: 1 // 0)
    client.says(sms("hello", "id"), wire.HistoryMes())
    world.settle()
    ack, error = client.take()
    assert isinstance(ack, wire.AckMes)
    assert isinstance(error, wire.ErrorMes)
    assert (ack.code, error.code) == (505, 505)


# ---------------------------------------------------------------- sending


def test_who_speaks_is_who_logged_in_whatever_the_client_wrote(world: World) -> None:
    reader, sender = world.member(2), world.member(1)
    spoof: dict[str, Any] = {
        "user_id": 2,
        "user_pwd": "x",
        "user_name": "boss",
        "user_status": 9,
        "sex": "?",
    }
    sender.says(
        wire.SmsMes(content="all", **spoof), wire.PrivateMes(content="you", to_user_id=2, **spoof)
    )
    world.settle()
    for message in reader.take_only(wire.Text):
        assert (message.user_id, message.user_name, message.user_pwd) == (1, "user 1", "")
        assert (message.user_status, message.sex) == (0, "x")


def test_a_message_without_an_id_gets_no_answer_and_comes_to_everybody_else(
    world: World,
) -> None:
    sender, reader, old = world.member(1), world.member(2), world.member(3, dialect=1)
    world.forget(sender, reader)
    sender.says(sms("hello"))
    world.settle()
    assert sender.take() == []
    assert reader.texts() == ["hello"]
    assert old.texts() == ["hello"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.SmsMes(content="x", room="attic", id="i"), 404),
        (private(12345, id="i"), 404),
        (sms("other content", "taken"), 400),
        (private(2, "other content", "taken"), 400),
    ],
)
def test_what_can_not_be_stored_is_answered_with_why(
    world: World, message: wire.Text, code: int
) -> None:
    world.account(2)
    client = world.member(1)
    client.says(sms("x", "taken"), private(2, "x", "taken"))
    world.settle()
    client.take()
    client.says(message)
    world.settle()
    assert client.acks() == [(message.id, code)]


def test_a_full_mailbox_refuses_the_sender_and_takes_more_when_it_was_read() -> None:
    world = World(mailbox_unread=2)
    world.account(2)
    client = world.member(1)
    client.says(*(private(2, "x", f"{n}") for n in range(3)))
    world.settle()
    assert sorted(client.acks()) == [("0", 202), ("1", 202), ("2", 507)]
    reader = world.enter(2)
    reader.says(wire.ReceivedMes(inbox=str(world.mailbox(2)[-1])))
    client.says(private(2, "x", "2"))
    world.settle()
    assert client.acks() == [("2", 200)]


@pytest.mark.parametrize("message", [sms("x", "id"), private(2, "x", "id")])
@pytest.mark.parametrize("trouble", [Trouble.REFUSES, Trouble.FORGETS])
def test_what_the_store_did_not_answer_is_505_and_the_same_id_may_be_sent_again(
    world: World, message: wire.Text, trouble: Trouble
) -> None:
    world.account(2)
    client = world.member(1)
    world.store().fail(trouble)
    client.says(message)
    world.settle()
    assert ("id", 505) in client.acks()
    world.store().recover()
    world.settle()
    client.take()
    client.says(message)
    world.settle()
    assert client.acks() == [("id", 200 if isinstance(message, wire.SmsMes) else 202)]
    assert len(world.room()) + len(world.mailbox(2)) == 1


@pytest.mark.parametrize(
    "message", [wire.HistoryMes(), wire.HistoryMes(peer=1), wire.ReadMes(peer=1, seq="1-0")]
)
def test_the_session_stays_when_the_store_fails(world: World, message: wire.Message) -> None:
    client = world.member(1)
    world.store().fail(Trouble.REFUSES)
    client.says(message)
    world.settle()
    assert client.take_one(wire.ErrorMes).code == 505
    assert not client.gone


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


def test_an_answer_of_the_store_to_a_session_that_is_gone_is_for_nobody(world: World) -> None:
    client = world.member(1)
    world.store().fail(Trouble.HANGS)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(MAX_UNANSWERED)), wire.HistoryMes())
    world.settle()
    client.cut()
    world.store().recover()
    world.settle()
    assert len(world.room()) == MAX_UNANSWERED


# ---------------------------------------------------------------- dialect 1


def test_dialect_1_gets_private_messages_marked_and_they_count_as_received(world: World) -> None:
    world.account(2)
    sender = world.member(1)
    sender.says(private(2, "waited"))
    world.settle()
    old = world.enter(2, dialect=1)
    assert kinds(old.got)[0] == "LoginResMes"
    assert old.texts() == ["[私聊] waited"]
    old.cut()
    world.settle()
    assert world.enter(2, dialect=1).texts() == []


def test_what_dialect_1_has_not_received_comes_again(world: World) -> None:
    world.account(2)
    old = world.member(2, dialect=1)
    old.outbox.stuck = True
    world.member(1).says(private(2, "hello"))
    world.settle()
    old.cut()
    world.settle()
    assert world.enter(2, dialect=1).texts() == ["[私聊] hello"]


def test_dialect_1_is_told_that_it_received_only_while_the_store_is_there(world: World) -> None:
    old = world.member(2, dialect=1)
    old.outbox.stuck = True
    world.member(1).says(private(2, "hello"))
    world.settle()
    world.store().fail(Trouble.REFUSES)
    old.outbox.drain()
    world.settle()
    assert "[私聊] hello" in old.texts()
    world.store().recover()
    world.settle()
    old.cut()
    assert world.enter(2, dialect=1).texts() == ["[私聊] hello"]


def test_dialect_1_is_sent_only_what_it_knows(world: World) -> None:
    old = world.enter(1, dialect=1)
    other = world.member(1)
    old.says(wire.SmsMes(content="x", id="id"), wire.UsersMes(), wire.HistoryMes(), wire.PingMes())
    other.says(wire.ReadMes(peer=2, seq="1-0"))
    world.wait(100, step=1)
    assert set(kinds(old.take())) <= {"LoginResMes", "NotifyUserStatusMes", "SmsMes"}
    assert not old.gone


# ---------------------------------------------------------------- slow, silent, gone


def flood(world: World, slow: Client) -> None:
    """Let more be said than a client takes."""
    slow.outbox.stuck = True
    other = speaker(world)
    for _ in range(50):
        other.says(sms("x" * 100))
        world.settle()


def test_a_slow_reader_is_told_once_to_come_back_and_cut_off(world: World) -> None:
    slow = world.member(1, send_queue=1000)
    flood(world, slow)
    assert world.node().presence.roster.person(1) is None
    slow.outbox.drain()
    [error] = slow.take()
    assert isinstance(error, wire.ErrorMes)
    assert (error.code, error.reconnect) == (409, True)
    assert slow.closed
    world.wait(CLOSE_TIMEOUT + 1)
    assert not slow.aborted
    assert world.node().counters == {Count.SLOW_READERS: 1}


def test_a_slow_reader_that_takes_not_even_that_is_aborted(world: World) -> None:
    slow = world.member(1, send_queue=1000)
    flood(world, slow)
    world.wait(CLOSE_TIMEOUT + 0.5)
    assert slow.aborted
    assert world.node().sessions.connections == 1


def test_a_slow_reader_that_has_said_no_dialect_is_aborted(world: World) -> None:
    slow = world.connect(send_queue=1000)
    slow.outbox.stuck = True
    slow.says(*[wire.PingMes()] * 50)
    world.settle()
    assert slow.aborted


def test_who_is_silent_is_asked_after_30_s_and_dropped_after_75_s(world: World) -> None:
    client = world.member(1)
    world.wait(35, step=1)
    assert kinds(client.take()) == ["PingMes"]
    world.wait(35, step=1)
    assert client.take() == []
    world.wait(10, step=1)
    error = client.take_one(wire.ErrorMes)
    assert (error.code, error.reconnect) == (409, True)
    assert client.closed
    assert world.node().presence.roster.person(1) is None


def test_who_answers_is_asked_again_and_stays(world: World) -> None:
    client = world.member(1)
    for _ in range(5):
        world.wait(36, step=1)
        assert kinds(client.take()) == ["PingMes"]
        client.says(wire.PongMes())
    assert not client.gone


def test_who_does_not_log_in_in_time_is_told_so_and_dropped(world: World) -> None:
    client = world.connect()
    for _ in range(29):
        client.says(wire.PingMes())
        world.wait(1, step=1)
    assert not client.gone
    client.take()
    world.wait(7, step=1)
    error = client.take_one(wire.ErrorMes)
    assert (error.code, error.reconnect) == (409, UNSET)
    assert "太久没有登录" in error.error
    assert "nobody logged in" in error.error
    assert client.closed


def test_a_failed_login_gives_the_time_to_log_in_anew(world: World) -> None:
    client = world.connect()
    for _ in range(3):
        world.wait(25, step=1)
        client.says(world.login(1, user_pwd="wrong"))
        world.settle()
        assert client.take_one(wire.LoginResMes).code == 403
    world.wait(25, step=1)
    client.says(world.login(1))
    world.settle()
    assert client.session.is_member
    world.wait(60, step=1)
    assert not client.gone


@pytest.mark.parametrize("dialect", [1, 2])
def test_the_time_to_log_in_is_no_matter_to_who_is_logged_in(world: World, dialect: int) -> None:
    client = world.enter(1, dialect=dialect)
    world.wait(60, step=1)
    assert not client.gone


def test_with_no_time_to_log_in_only_silence_counts() -> None:
    world = World(login_timeout=0)
    silent, alive = world.connect(), world.connect()
    for _ in range(81):
        alive.says(wire.PingMes())
        world.wait(1, step=1)
    assert (silent.closed, silent.take()) == (True, [])
    assert not alive.gone


def test_while_the_server_itself_does_not_read_nobody_is_silent(world: World) -> None:
    client = world.connect()
    hashing: Deferred[Any] = Deferred()
    world.in_thread = lambda *_: hashing
    client.says(world.login(1))
    world.wait(200, step=1)
    assert not client.gone
    hashing.callback(False)
    world.settle()
    assert client.take_one(wire.LoginResMes).code == 403
    world.wait(29, step=1)
    assert not client.gone


def test_logging_out_voids_the_token_and_closes(world: World) -> None:
    client = world.enter(1)
    token = client.take_one(wire.LoginResMes).token
    client.says(wire.LogoutMes())
    world.settle()
    assert client.closed
    again = world.connect()
    again.says(world.login(1, token=token, user_pwd=""))
    world.settle()
    assert again.take_one(wire.LoginResMes).code == 403


def test_dialect_1_may_log_out_too(world: World) -> None:
    client = world.member(1, dialect=1)
    client.says(wire.LogoutMes())
    world.settle()
    assert client.closed


def test_a_logout_that_the_store_does_not_hear_of_may_be_tried_again(world: World) -> None:
    client = world.member(1)
    world.store().fail(Trouble.REFUSES)
    client.says(wire.LogoutMes())
    world.settle()
    assert client.take_one(wire.ErrorMes).code == 505
    assert not client.gone


def test_a_connection_that_goes_while_it_logs_out_was_closed_already(world: World) -> None:
    client = world.member(1)
    client.says(wire.LogoutMes())
    client.cut()
    world.settle()
    assert world.node().sessions.connections == 0


@pytest.mark.parametrize("dialect", [1, 2])
def test_a_session_that_is_ended_from_outside_is_told_why_and_not_to_come_back(
    world: World, dialect: int
) -> None:
    ended, spared, other = (world.member(1, dialect=d) for d in (dialect, 2, 2))
    world.member(2)
    for client in (ended, spared, other):
        client.take()
    world.run(
        world.store().end_sessions(
            1, Ending.PASSWORD_CHANGED, except_session=spared.session.tag, text="ask Ann"
        )
    )
    assert (ended.closed, spared.closed, other.closed) == (True, False, True)
    if dialect == 1:
        assert "ask Ann" in ended.take_one(wire.SmsMes).content
    [told] = other.take_only(wire.ErrorMes)
    assert (told.code, told.reconnect) == (Code.CLOSED, False)
    assert told.error.endswith("log in again with the new one: ask Ann")
