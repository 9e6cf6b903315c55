"""Floods as their senders and everybody else see them: through whole sessions."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from chatroom.common.counters import Count
from chatroom.limits.rate import LONGEST, MOST_REFUSED, RateLimits
from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Code
from chatroom.sessions.commands import COMMANDS
from tests.doubles.memory_store import Trouble
from tests.world import Client, World, kinds, private, sms

BURST, RATE = 20, 5


@pytest.fixture
def world() -> World:
    return World(rates=RateLimits(message_burst=BURST, message_rate=RATE))


def codes(client: Client) -> list[int]:
    return [ack.code for ack in client.take_only(wire.AckMes)]


def test_each_message_too_many_is_refused_with_the_time_to_wait(world: World) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(100)))
    world.settle()
    acks = {ack.id: ack for ack in client.take_only(wire.AckMes)}
    assert len(acks) == 100
    for n in range(100):
        code, wait = (Code.OK, UNSET) if n < BURST else (Code.TOO_FAST, 1)
        assert (acks[f"id{n}"].code, acks[f"id{n}"].retry_after) == (code, wait)
    assert len(world.room()) == BURST


def test_what_was_on_its_way_behind_a_refused_message_does_not_get_ahead_of_it(
    world: World,
) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(BURST + 1)))
    world.wait(0.9)
    client.says(sms("behind", "behind"))
    world.wait(0.1)
    client.says(sms(f"{BURST}", f"id{BURST}"), sms("behind", "behind"))
    world.settle()
    assert world.room_texts() == [*(f"{n}" for n in range(BURST + 1)), "behind"]


def test_more_connections_are_not_more_messages(world: World) -> None:
    clients = [world.member(1) for _ in range(3)]
    for client in clients:
        client.says(*(sms(f"{n}") for n in range(BURST)))
    world.settle()
    assert len(world.room()) == BURST


@pytest.mark.parametrize(
    "message",
    [
        private(2, "x"),
        wire.UsersMes(),
        wire.HistoryMes(),
        wire.ReadMes(peer=2, seq="1-0"),
        wire.StatusMes(status=2),
        wire.SmsMes(content="without an id"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_refusal_without_an_answer_of_its_own_says_what_it_is_about(
    world: World, message: wire.Message
) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}") for n in range(BURST)), message)
    world.settle()
    error = client.take_one(wire.ErrorMes)
    name = type(message).__name__
    assert (error.code, error.retry_after, error.about) == (Code.TOO_FAST, 1, name)


def test_a_change_of_password_too_many_is_refused_in_its_own_answer(world: World) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}") for n in range(BURST)))
    client.says(wire.PasswordMes(user_pwd="secret", new_pwd="better one"))
    world.settle()
    answer = client.take_one(wire.PasswordResMes)
    assert (answer.code, answer.retry_after) == (Code.TOO_FAST, 1)


def test_what_keeps_a_connection_alive_costs_nothing(world: World) -> None:
    client = world.member(1)
    free = [wire.PingMes(), wire.PongMes(), wire.ReceivedMes(inbox="1-0")]
    client.says(*free * 100, sms("heard", "heard"))
    world.settle()
    assert len(client.take_only(wire.PongMes)) == 100
    assert {type(message) for message in free} <= {
        kind for kind, command in COMMANDS.items() if not command.costs
    }
    assert world.room_texts() == ["heard"]


def test_every_other_command_costs() -> None:
    free = {kind.__name__ for kind, command in COMMANDS.items() if not command.costs}
    assert free == {
        *("RegisterMes", "LoginMes", "LogoutMes"),
        *("PingMes", "PongMes", "ReceivedMes"),
    }


def test_what_is_malformed_costs_as_well(world: World) -> None:
    client = world.member(1)
    for _ in range(BURST + 1):
        client.says_frame(b'{"type":"SmsMes","data":"{}"}')
    assert [error.code for error in client.take_only(wire.ErrorMes)] == [
        *[Code.MALFORMED] * BURST,
        Code.TOO_FAST,
    ]


def test_everything_that_a_guest_sends_costs(world: World) -> None:
    guest = world.connect()
    guest.says(*[wire.PingMes()] * BURST, world.login(1))
    world.settle()
    answer = guest.take_one(wire.LoginResMes)
    assert (answer.code, answer.retry_after) == (Code.TOO_FAST, 1)
    world.wait(1)
    guest.says(world.login(1))
    world.settle()
    assert guest.take_one(wire.LoginResMes).code == Code.OK


def test_an_original_client_is_told_once_for_each_wait(world: World) -> None:
    client = world.member(1, dialect=1)
    for _ in range(3):
        client.says(*(sms(f"{n}") for n in range(100)))
        world.settle()
        [told] = client.texts()
        assert told == "[系统] 发送太快, 请1秒后再试"
        world.wait(1)


@pytest.mark.parametrize("dialect", [1, 2])
def test_who_goes_on_all_the_same_is_told_and_closed(world: World, dialect: int) -> None:
    flooder, other = world.member(1, dialect=dialect), world.member(2)
    flooder.says(*(sms(f"{n}") for n in range(BURST + MOST_REFUSED + 1)))
    world.settle()
    last = flooder.take()[-1]
    if dialect == 2:
        assert isinstance(last, wire.ErrorMes)
        assert (last.code, last.retry_after) == (Code.TOO_FAST, 1)
    else:
        assert isinstance(last, wire.SmsMes)
        assert "连接已断开" in last.content
    assert flooder.closed
    assert not other.closed
    assert world.node().counters[Count.FLOODS_CLOSED] == 1


def test_who_never_pauses_is_closed_in_the_end(world: World) -> None:
    client = world.member(1)
    for number in range(round(LONGEST + 10) * 2 * RATE):
        client.says(sms("x", f"id{number}"))
        world.wait(1 / (2 * RATE), step=1 / (2 * RATE))
    assert client.closed


def test_who_waits_as_told_is_never_closed(world: World) -> None:
    client = world.member(1)
    unsaid = [f"{n}" for n in range(1000)]
    while unsaid:
        client.says(*(sms(text, text) for text in unsaid[:100]))
        world.settle()
        taken = [ack.id for ack in client.take_only(wire.AckMes) if ack.code == Code.OK]
        assert taken
        unsaid = unsaid[len(taken) :]
        world.wait(1)
    assert not client.closed
    assert world.room_texts() == [f"{n}" for n in range(1000)]


def test_bytes_are_bounded_as_well(world: World) -> None:
    world.node().rate_limits = RateLimits(byte_rate=1000, max_frame=1000)
    client = world.member(1)
    client.says_frame(codec.encode(wire.PingMes()).ljust(2000))
    client.says_frame(codec.encode(wire.PingMes()).ljust(2000))
    client.says(wire.PingMes())
    answers = client.take()
    assert kinds(answers) == ["PongMes", "PongMes", "ErrorMes"]
    assert isinstance(answers[2], wire.ErrorMes)
    assert (answers[2].code, answers[2].about) == (Code.TOO_FAST, "PingMes")


def test_what_was_refused_is_counted_and_kept_for_the_operator(world: World) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}") for n in range(BURST + 3)))
    client.says_frame(b"{nope")
    world.connect().says(sms("a guest's"))
    world.wait(6)
    kept = world.run(world.store().counters())
    assert kept == {"one": {"too fast": 3, "malformed": 1, "not allowed": 1}}


def test_a_store_that_is_away_is_told_later_what_was_counted(world: World) -> None:
    world.connect().says(sms("a guest's"))
    world.store().fail(Trouble.REFUSES)
    world.wait(6)
    world.store().recover()
    world.wait(6)
    assert world.run(world.store().counters()) == {"one": {"not allowed": 1}}


def test_buckets_of_those_who_left_are_forgotten(world: World) -> None:
    client = world.member(1)
    client.says(sms("x"))
    world.settle()
    limits = world.node().rate_limits
    bucket = limits.bucket_of(1)
    assert bucket.full_at > 0
    client.cut()
    world.wait(10)
    assert limits.bucket_of(1) is not bucket
