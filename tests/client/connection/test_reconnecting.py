"""The connection: made, lost, made again, and given up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory

from chatroom.client import ChatError, LoginRefused, NotConnected, Position, State, Timing
from chatroom.client.base import error_texts as words
from chatroom.protocol import messages as wire
from tests.client.network import REFUSED
from tests.client.stage import Outcome, Stage, a_welcome, to_person, to_room


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def online(stage: Stage) -> Stage:
    stage.log_in()
    return stage


def test_a_first_connection_that_is_refused_fails_at_once_and_is_not_tried_again(
    stage: Stage,
) -> None:
    stage.network.refuse = REFUSED
    connected = Outcome(stage.client.connect())
    assert isinstance(connected.error, NotConnected)
    assert "nobody listens there" in str(connected.error)
    stage.run(60)
    assert stage.network.tries == 1
    assert stage.states == [State.CONNECTING, State.OFFLINE]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DNSLookupError("no"), "no host of that name"),
        (OSError("first line\nsecond line"), "first line"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_why_there_is_no_connection_fits_a_line(stage: Stage, error: Exception, text: str) -> None:
    stage.network.refuse = error
    assert str(Outcome(stage.client.connect()).error) == text


def test_a_server_that_never_answers_the_connection_is_given_up(stage: Stage) -> None:
    stage.network.hangs = True
    connected = Outcome(stage.client.connect())
    stage.run(9.9)
    assert not connected.done
    stage.run(0.2)
    assert "within 10 seconds" in str(connected.error)


def test_everybody_who_waits_for_the_first_connection_gets_it(stage: Stage) -> None:
    first, second = Outcome(stage.client.connect()), Outcome(stage.client.connect())
    third = Outcome(stage.client.connect())
    assert (first.times, second.times, third.times) == (1, 1, 1)
    assert stage.network.tries == 1


def test_one_who_waits_for_the_connection_may_stop_waiting(stage: Stage) -> None:
    stage.network.hangs = True
    deferred = stage.client.connect()
    given_up, other = Outcome(deferred), Outcome(stage.client.connect())
    deferred.cancel()
    assert given_up.done
    assert not other.done
    stage.run(11)
    assert isinstance(other.error, NotConnected)


def test_a_login_connects_by_itself(stage: Stage) -> None:
    login = stage.log_in()
    assert login.value.name == "Ann"
    assert stage.states == [State.CONNECTING, State.ONLINE]


def test_a_refused_login_tells_the_code_and_may_be_tried_again(stage: Stage) -> None:
    login = stage.log_in(wire.LoginResMes(403, None))
    assert isinstance(login.error, LoginRefused)
    assert (login.error.code, str(login.error)) == (403, "wrong password")
    assert stage.log_in().value.user_id == 100
    assert len(stage.servers) == 1


def test_a_second_login_on_the_same_client_is_an_error(online: Stage) -> None:
    assert isinstance(Outcome(online.client.log_in(101, "x")).error, ChatError)


def test_a_login_that_the_protocol_does_not_allow_is_not_sent(stage: Stage) -> None:
    login = Outcome(stage.client.log_in(0, "secret"))
    assert isinstance(login.error, LoginRefused)
    assert stage.network.tries == 0


def test_a_login_that_is_given_up_drops_the_connection(stage: Stage) -> None:
    deferred = stage.client.log_in(100, "secret")
    login = Outcome(deferred)
    stage.run()
    deferred.cancel()
    stage.run()
    assert login.done
    assert stage.state() is State.OFFLINE
    assert stage.client.login is None


def test_a_server_that_closes_who_does_not_log_in_gets_the_login_on_another_connection(
    stage: Stage,
) -> None:
    stage.connect()
    stage.say(wire.ErrorMes(409, "nobody logged in for too long: connect again"))
    stage.network.last.cut()
    assert stage.state() is State.OFFLINE
    stage.run(300)
    assert stage.network.tries == 1
    assert stage.log_in().value is not None
    assert stage.network.tries == 2


@pytest.mark.parametrize("what", ["login", "registration"])
def test_what_crosses_with_the_servers_hanging_up_is_asked_again_on_another_connection(
    stage: Stage, what: str
) -> None:
    stage.connect()
    if what == "login":
        asked = Outcome(stage.client.log_in(100, "secret"))
        answer: wire.Message = a_welcome()
    else:
        asked = Outcome(stage.client.register(100, "secret", "Ann"))
        answer = wire.RegisterResMes(200)
    stage.run()
    stage.say(wire.ErrorMes(409, "nobody logged in for too long: connect again"))
    stage.network.last.cut()
    stage.run(0.1)
    assert not asked.done
    assert stage.network.tries == 2
    stage.say(answer)
    assert (asked.times, asked.error) == (1, None)
    assert stage.state() is State.ONLINE


def test_a_login_that_is_hung_up_on_twice_is_told_why(stage: Stage) -> None:
    stage.connect()
    login = Outcome(stage.client.log_in(100, "secret"))
    for _ in range(2):
        stage.run(0.1)
        stage.say(wire.ErrorMes(409, "go away"))
        stage.network.last.cut()
    stage.run(60)
    assert isinstance(login.error, NotConnected)
    assert str(login.error) == "go away"
    assert stage.network.tries == 2


def test_a_login_that_is_too_early_tells_how_long_to_wait(stage: Stage) -> None:
    login = stage.log_in(wire.LoginResMes(429, None, "too many wrong tries", 7))
    assert isinstance(login.error, LoginRefused)
    assert (login.error.code, login.error.retry_after) == (429, 7)


def test_whose_password_was_changed_elsewhere_is_told_and_does_not_come_back(
    online: Stage,
) -> None:
    why = "the password was changed: log in again with the new one"
    online.say(wire.ErrorMes(409, why, reconnect=False))
    online.network.last.cut()
    online.run(300)
    assert online.network.tries == 1
    assert online.state() is State.OFFLINE
    assert online.client.why == why
    assert online.client.login is None


def test_a_connection_lost_before_a_login_is_made_again_when_it_is_needed(stage: Stage) -> None:
    stage.connect()
    stage.network.last.cut()
    assert stage.state() is State.OFFLINE
    assert stage.client.why == "the connection was lost"
    stage.run(60)
    assert stage.network.tries == 1
    assert stage.log_in().value is not None


def test_after_a_break_the_client_logs_in_again_with_the_newest_token(online: Stage) -> None:
    online.network.last.cut()
    assert online.state() is State.RECONNECTING
    online.come_back()
    login = online.server.last(wire.LoginMes)
    assert (login.token, login.user_pwd, login.protocol) == ("token-1", "", 2)
    online.network.last.cut()
    online.come_back()
    assert online.server.last(wire.LoginMes).token == "token-2"
    assert online.states[1:] == [State.ONLINE] + [State.RECONNECTING, State.ONLINE] * 2


def test_a_refused_token_is_followed_by_the_password(online: Stage) -> None:
    online.network.last.cut()
    online.come_back(wire.LoginResMes(403, None))
    again = online.server.last(wire.LoginMes)
    assert again.user_pwd == "secret"
    assert again.token is UNSET
    online.say(a_welcome())
    assert online.state() is State.ONLINE


def test_when_neither_token_nor_password_works_everything_ends_with_the_reason(
    online: Stage,
) -> None:
    pending = Outcome(online.client.send("hello"))
    online.network.last.cut()
    online.come_back(wire.LoginResMes(403, None))
    online.say(wire.LoginResMes(403, None))
    assert isinstance(pending.error, NotConnected)
    assert online.state() is State.OFFLINE
    assert online.client.why == "the server refused the login: wrong password"
    assert online.client.login is None
    online.run(60)
    assert online.network.tries == 2


def test_a_token_alone_that_is_refused_ends_it(stage: Stage) -> None:
    stage.log_in(token="old")
    stage.network.last.cut()
    stage.come_back(wire.LoginResMes(403, None))
    assert stage.state() is State.OFFLINE


def test_a_store_out_of_reach_at_the_new_login_is_waited_for(online: Stage) -> None:
    online.network.last.cut()
    online.come_back(wire.LoginResMes(505, None))
    online.come_back(wire.ErrorMes(429, "too many", retry_after=3))
    tries = online.network.tries
    online.run(2.9)
    assert online.network.tries == tries
    online.come_back()
    assert online.state() is State.ONLINE


def test_pauses_grow_to_their_ceiling_and_leave_half_to_chance() -> None:
    stage = Stage(timing=Timing(retry_first=0.2, retry_most=1.0))
    stage.log_in()
    stage.network.refuse = REFUSED
    stage.network.last.cut()
    times = []
    for _ in range(600):
        before = stage.network.tries
        stage.run(0.01)
        if stage.network.tries > before:
            times.append(round(stage.clock.seconds(), 1))
    assert times[:6] == [0.2, 0.6, 1.4, 2.4, 3.4, 4.4]
    assert Timing(retry_first=0.2).retry_delay(0, 0.0) == pytest.approx(0.1)
    assert Timing().retry_delay(1000, 1.0) == 10.0
    assert stage.client.why == "connection refused: nobody listens there"


def test_a_connection_that_never_brings_anything_is_tried_less_and_less_often(
    online: Stage,
) -> None:
    for _ in range(8):
        online.network.last.cut()
        online.come_back()
    start = online.clock.seconds()
    online.network.last.cut()
    online.come_back()
    assert online.clock.seconds() - start > 9


def test_the_pause_is_short_again_once_something_came_of_a_connection(online: Stage) -> None:
    for seq in range(8):
        online.network.last.cut()
        online.come_back()
        online.say(to_room("progress", f"6-{seq}"))
    start = online.clock.seconds()
    online.network.last.cut()
    online.come_back()
    assert online.clock.seconds() - start < 0.5


def test_the_pause_is_short_again_after_a_connection_that_held(online: Stage) -> None:
    for _ in range(8):
        online.network.last.cut()
        online.come_back()
    online.run(6)
    start = online.clock.seconds()
    online.network.last.cut()
    online.come_back()
    assert online.clock.seconds() - start < 0.5


def test_the_login_after_a_break_resumes_from_where_the_client_was(online: Stage) -> None:
    online.say(to_room("one", "6-0"), to_person("two", "4-0"))
    online.network.last.cut()
    online.come_back()
    resume = online.server.last(wire.LoginMes).resume
    assert resume == wire.Resume({"lobby": "6-0"}, "4-0")


def test_the_first_login_resumes_only_from_a_position_that_it_was_given() -> None:
    stage = Stage()
    stage.log_in()
    assert stage.server.last(wire.LoginMes).resume is UNSET
    position = Position({"lobby": wire.Seq(2, 0)}, wire.Seq(1, 0))
    stage = Stage(position=position)
    stage.log_in()
    assert stage.server.last(wire.LoginMes).resume == wire.Resume({"lobby": "2-0"}, "1-0")
    stage.say(to_room("news", "3-0"))
    assert position.rooms["lobby"] == wire.Seq(2, 0)
    assert stage.client.position.rooms["lobby"] == wire.Seq(3, 0)


def test_a_position_can_be_kept_as_json() -> None:
    stage = Stage()
    stage.log_in()
    stage.say(to_room("one", "6-0"), to_person("two", "4-1"))
    kept = msgspec.json.encode((stage.client.position, "token-1"))
    position, token = msgspec.json.decode(kept, type=tuple[Position, str])
    stage = Stage(position=position)
    stage.log_in(token=token)
    login = stage.server.last(wire.LoginMes)
    assert (login.resume, login.token) == (wire.Resume({"lobby": "6-0"}, "4-1"), "token-1")


def test_somebody_else_does_not_go_on_from_the_first_ones_position() -> None:
    stage = Stage(reconnect=False)
    stage.log_in()
    stage.network.last.cut()
    assert stage.state() is State.OFFLINE
    Outcome(stage.client.log_in(101, "secret"))
    stage.run()
    assert stage.server.last(wire.LoginMes).resume is UNSET


def test_the_same_user_goes_on_after_the_client_had_given_up() -> None:
    stage = Stage(reconnect=False)
    stage.log_in()
    pending = Outcome(stage.client.send("lost"))
    stage.network.last.cut()
    assert isinstance(pending.error, NotConnected)
    stage.log_in()
    assert stage.server.last(wire.LoginMes).resume == wire.Resume({"lobby": "5-0"}, "3-0")


def test_a_server_that_closes_and_asks_to_come_back_is_come_back_to_soon(online: Stage) -> None:
    for _ in range(8):
        online.network.last.cut()
        online.come_back()
    online.say(wire.ErrorMes(409, "restarting", reconnect=True))
    assert online.state() is State.ONLINE
    start = online.clock.seconds()
    online.network.last.cut()
    assert online.client.why == "restarting"
    online.come_back()
    assert online.clock.seconds() - start < 0.5


def test_a_server_that_says_that_it_closes_and_does_not_is_left(online: Stage) -> None:
    online.say(wire.ErrorMes(409, ""))
    online.run(2.1)
    assert online.state() is State.RECONNECTING
    assert online.client.why == "the server closed the session"


@pytest.mark.parametrize("code", [403, 409, 500])
def test_a_server_that_sends_the_client_away_is_not_come_back_to(online: Stage, code: int) -> None:
    pending, question = Outcome(online.client.send("hello")), Outcome(online.client.history())
    online.say(wire.ErrorMes(code, "the account is gone", reconnect=False))
    assert not question.done
    online.network.last.cut()
    assert online.state() is State.OFFLINE
    assert str(pending.error) == "the account is gone"
    online.run(60)
    assert online.network.tries == 1


def test_being_sent_away_while_logging_in_again_ends_it(online: Stage) -> None:
    online.network.last.cut()
    online.run(0.4)
    online.say(wire.ErrorMes(409, "no", reconnect=False))
    online.network.last.cut()
    assert online.state() is State.OFFLINE
    online.log_in()
    assert online.state() is State.ONLINE


def test_a_connection_lost_during_the_new_login_is_made_again(online: Stage) -> None:
    online.network.last.cut()
    online.run(0.4)
    online.network.last.cut(to_client=0)
    online.come_back()
    assert online.state() is State.ONLINE
    assert online.states.count(State.RECONNECTING) == 1


def test_close_while_reconnecting_ends_at_once_and_for_good(online: Stage) -> None:
    online.network.refuse = REFUSED
    online.network.last.cut()
    online.run(1)
    closed = Outcome(online.client.close())
    assert closed.times == 1
    assert closed.error is None
    assert online.state() is State.CLOSED
    tries = online.network.tries
    online.network.refuse = None
    online.run(60)
    assert online.network.tries == tries
    assert online.clock.getDelayedCalls() == []


def test_close_while_reconnecting_waits_a_while_for_what_is_not_settled(online: Stage) -> None:
    online.network.last.cut()
    pending = Outcome(online.client.send("hello"))
    closed = Outcome(online.client.close())
    online.come_back()
    online.ack(online.server.ids()[0], "6-0")
    assert pending.value.seq == wire.Seq(6, 0)
    assert closed.times == 1


def test_close_while_the_new_login_is_under_way(online: Stage) -> None:
    online.network.last.cut()
    online.run(0.4)
    assert online.server.all(wire.LoginMes)
    closed = Outcome(online.client.close())
    online.run()
    assert closed.times == 1
    assert online.states[-1] is State.CLOSED
    assert online.clock.getDelayedCalls() == []


def test_close_while_the_first_connection_is_being_made(stage: Stage) -> None:
    stage.network.hangs = True
    connected = Outcome(stage.client.connect())
    closed = Outcome(stage.client.close())
    assert isinstance(connected.error, NotConnected)
    assert closed.times == 1
    assert stage.states == [State.CONNECTING, State.CLOSED]
    assert isinstance(Outcome(stage.client.connect()).error, NotConnected)
    assert Outcome(stage.client.close()).times == 1
    assert Outcome(stage.client.log_out()).error is None


@pytest.mark.parametrize("time", [1, 2])
def test_a_client_closed_on_hearing_that_it_is_online_stays_closed(time: int) -> None:
    stage: Stage
    heard: list[State] = []

    def on_state(state: State) -> object:
        heard.append(state)
        return stage.client.close() if heard.count(State.ONLINE) == time else None

    stage = Stage(on_state=on_state)
    login = stage.log_in()
    if time == 1:
        assert isinstance(login.error, NotConnected)
    else:
        stage.network.last.cut()
        stage.come_back()
        stage.run(3)
    assert stage.state() is State.CLOSED
    assert stage.client.login is None
    assert stage.clock.getDelayedCalls() == []


def test_waiting_for_the_connection_while_reconnecting(online: Stage) -> None:
    online.network.last.cut()
    back = Outcome(online.client.connect())
    assert not back.done
    online.come_back()
    assert back.times == 1
    assert Outcome(online.client.connect()).times == 1


def test_a_login_answer_that_makes_no_sense_is_no_login(stage: Stage) -> None:
    login = stage.log_in(a_welcome(rooms={"lobby": "soon"}))
    assert isinstance(login.error, NotConnected)
    stage.run()
    assert stage.state() is State.OFFLINE


def test_a_connection_that_is_lost_before_it_is_handed_over_is_none(stage: Stage) -> None:
    made = stage.network.connect

    def connect(factory: Factory) -> Deferred[Any]:
        connected = made(factory)
        stage.network.last.cut()
        return connected

    stage.network.connect = connect  # type: ignore[method-assign]
    assert str(Outcome(stage.client.connect()).error) == "the connection was lost"
    assert stage.state() is State.OFFLINE


def test_what_fails_with_the_connection_may_ask_again_or_close(online: Stage) -> None:
    outcomes: list[Outcome] = []

    def go_on(_: object) -> None:
        outcomes.append(Outcome(online.client.users_page()))
        outcomes.append(Outcome(online.client.send("hello")))
        outcomes.append(Outcome(online.client.close(timeout=0.1)))

    online.client.users_page().addErrback(go_on)
    online.run()
    online.network.last.cut()
    online.run(0.2)
    assert isinstance(outcomes[0].error, NotConnected)
    assert isinstance(outcomes[1].error, NotConnected)
    assert (outcomes[2].times, online.client.state) == (1, State.CLOSED)


def test_closing_in_the_moment_of_the_loss(online: Stage) -> None:
    closed: list[Outcome] = []
    online.client.users_page().addErrback(
        lambda _: closed.append(Outcome(online.client.close(timeout=0.0)))
    )
    online.run()
    online.network.last.cut()
    online.run(0.1)
    assert closed[0].times == 1
    assert online.state() is State.CLOSED


def test_leaving_in_the_moment_of_the_loss(online: Stage) -> None:
    # The link still has the connection then, though it is lost already.
    gone: list[Outcome] = []
    online.client.users_page().addErrback(
        lambda _: gone.append(Outcome(online.client._link.log_out()))
    )
    online.run()
    online.network.last.cut()
    assert gone[0].times == 1
    assert online.state() is State.OFFLINE


def test_a_fault_of_our_own_while_reconnecting_is_logged(logged: list[Exception]) -> None:
    stage = Stage(chance=lambda: 1 / 0)
    stage.log_in()
    stage.network.last.cut()
    assert [type(error) for error in logged] == [ZeroDivisionError]


def test_a_client_sent_away_by_mistake_of_a_dead_connection_stays_as_it_is(online: Stage) -> None:
    link = online.client._link
    online.network.last.cut()
    link.drop(words.Words("nothing to drop"))
    link.server_closes(wire.ErrorMes(409, "too late"))
    online.come_back()
    assert online.state() is State.ONLINE


def test_a_connection_lost_while_the_user_hears_of_it_is_made_again() -> None:
    stage: Stage
    heard: list[State] = []

    def on_state(state: State) -> None:
        heard.append(state)
        if heard.count(State.ONLINE) == 2 and state is State.ONLINE:
            stage.network.last.cut()

    stage = Stage(on_state=on_state)
    stage.log_in()
    sent = Outcome(stage.client.send("hello"))
    stage.network.last.cut()
    stage.come_back()
    assert stage.state() is State.RECONNECTING
    stage.come_back()
    stage.ack(stage.server.ids()[0], "6-0")
    assert sent.value is not None
    stage.run(20)
    assert len(stage.servers) == 3


def test_dropping_a_connection_that_is_lost_does_nothing(online: Stage) -> None:
    connection = online.network.last.client
    online.network.last.cut()
    connection.protocol.drop("again")
    assert not connection.aborted


def test_an_endpoint_that_raises_is_as_good_as_none(stage: Stage) -> None:
    def connect(factory: Factory) -> Deferred[Any]:
        raise ValueError("no such thing")

    stage.network.connect = connect  # type: ignore[method-assign]
    assert str(Outcome(stage.client.connect()).error) == "no such thing"
