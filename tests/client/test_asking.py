"""Questions to the server: accounts, people, history, each with its own answer."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from twisted.internet.defer import CancelledError

from chatroom.client import NotConnected, PasswordRefused, Refused, RegisterRefused, State
from chatroom.protocol import messages as wire
from tests.client.network import REFUSED
from tests.client.stage import Outcome, Stage, to_person, to_room


def text(message: wire.Text) -> wire.Text:
    """The message as a history has it."""
    values = {name: getattr(message, name) for name in wire.Text.__struct_fields__}
    return wire.Text(**values)


def test_registering_connects_and_asks() -> None:
    stage = Stage()
    done = Outcome(stage.client.register(100, "secret", "Ann", invite="come-in"))
    stage.run()
    asked = stage.server.last(wire.RegisterMes)
    assert (asked.user.user_id, asked.user.user_name, asked.invite) == (100, "Ann", "come-in")
    stage.say(wire.RegisterResMes(200))
    assert (done.times, done.error) == (1, None)
    again = Outcome(stage.client.register(100, "secret", "Ann"))
    stage.run()
    assert stage.server.last(wire.RegisterMes).invite is UNSET
    stage.say(wire.RegisterResMes(505, "taken"))
    assert isinstance(again.error, RegisterRefused)
    assert (again.error.code, again.error.text_en) == (505, "taken")


@pytest.mark.parametrize(
    ("user_id", "password", "name"),
    [(0, "secret", "Ann"), (100, "x" * 2000, "Ann"), (100, "secret", ""), (100, "\ud800", "Ann")],
)
def test_an_account_that_can_not_be_is_refused_without_asking(
    user_id: int, password: str, name: str
) -> None:
    stage = Stage()
    refused = Outcome(stage.client.register(user_id, password, name))
    assert isinstance(refused.error, RegisterRefused)
    assert refused.error.code == 506
    assert stage.network.tries == 0


def test_registering_with_no_server_there_fails() -> None:
    stage = Stage()
    stage.network.refuse = REFUSED
    assert isinstance(Outcome(stage.client.register(1, "secret", "Ann")).error, NotConnected)


def test_everybody_online_is_asked_for_page_by_page(stage: Stage) -> None:
    people = Outcome(stage.client.users())
    stage.run()
    stage.say(wire.UsersResMes([wire.Person(100, "Ann", 0)], 2, next=100))
    asked = stage.server.last(wire.UsersMes)
    assert (asked.after, asked.limit) == (100, wire.MAX_USERS)
    stage.say(wire.UsersResMes([wire.Person(101, "Bob", 2)], 2))
    assert [person.user_id for person in people.value] == [100, 101]
    assert set(stage.client.online) == {100, 101}
    assert not stage.client.partial


def test_a_server_whose_pages_do_not_get_on_is_asked_no_more(stage: Stage) -> None:
    people = Outcome(stage.client.users())
    stage.run()
    stage.say(wire.UsersResMes([], 1, next=7))
    stage.say(wire.UsersResMes([], 1, next=7))
    assert people.value == []


def test_a_page_of_the_lobby(stage: Stage) -> None:
    page = Outcome(stage.client.history(limit=2, before=wire.Seq(9, 0)))
    stage.run()
    asked = stage.server.last(wire.HistoryMes)
    assert (asked.room, asked.peer, asked.before, asked.limit) == ("lobby", UNSET, "9-0", 2)
    messages = [text(to_room("a", "1-0")), text(to_room("b", "2-0", user_id=100))]
    stage.say(wire.HistoryResMes(messages, True, 2, room="lobby"))
    assert page.value.more
    assert [(m.content, m.own, m.room) for m in page.value.messages] == [
        ("a", False, "lobby"),
        ("b", True, "lobby"),
    ]
    assert stage.client.position.rooms["lobby"] == wire.Seq(5, 0)


def test_a_page_of_what_was_said_with_somebody(stage: Stage) -> None:
    page = Outcome(stage.client.history(peer=101))
    stage.run()
    asked = stage.server.last(wire.HistoryMes)
    assert (asked.room, asked.peer, asked.before) == (UNSET, 101, UNSET)
    mine = text(to_person("b", "2-0", user_id=100, to=101))
    stage.say(wire.HistoryResMes([text(to_person("a", "1-0")), mine], False, 50, peer=101))
    assert [(m.kind, m.peer, m.own) for m in page.value.messages] == [
        ("private", 101, False),
        ("private", 101, True),
    ]


def test_a_page_of_both_at_once_is_refused_without_asking(stage: Stage) -> None:
    refused = Outcome(stage.client.history(room="lobby", peer=101))
    assert isinstance(refused.error, Refused)
    assert "not both" in str(refused.error)
    named = Outcome(stage.client.history(room="garden"))
    stage.run()
    assert [m.room for m in stage.server.all(wire.HistoryMes)] == ["garden"]
    stage.say(wire.ErrorMes(404, ""))
    assert str(named.error) == "no such user or room"


def test_a_page_that_makes_no_sense_is_an_error(stage: Stage) -> None:
    page = Outcome(stage.client.history())
    stage.run()
    stage.say(wire.HistoryResMes([wire.Text("no place")], False, 50))
    assert isinstance(page.error, Refused)


def test_the_new_password_is_what_the_next_connection_uses(stage: Stage) -> None:
    changed = Outcome(stage.client.change_password("secret", "better"))
    stage.run()
    asked = stage.server.last(wire.PasswordMes)
    assert (asked.user_pwd, asked.new_pwd) == ("secret", "better")
    stage.say(wire.PasswordResMes(200))
    assert (changed.times, changed.error) == (1, None)
    stage.network.last.cut()
    stage.come_back()
    login = stage.server.last(wire.LoginMes)
    assert (login.user_pwd, login.token) == ("better", UNSET)


def test_a_wrong_old_password_changes_nothing(stage: Stage) -> None:
    changed = Outcome(stage.client.change_password("wrong", "better"))
    stage.run()
    stage.say(wire.PasswordResMes(403, retry_after=3))
    assert isinstance(changed.error, PasswordRefused)
    assert changed.error.retry_after == 3
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.last(wire.LoginMes).token == "token-1"


def test_being_busy_outlives_the_connection(stage: Stage) -> None:
    assert Outcome(stage.client.set_status(busy=True)).times == 1
    stage.run()
    assert stage.server.last(wire.StatusMes).status == wire.Status.BUSY
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.last(wire.StatusMes).status == wire.Status.BUSY
    Outcome(stage.client.set_status(busy=False))
    stage.run()
    assert stage.server.last(wire.StatusMes).status == wire.Status.ONLINE
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.all(wire.StatusMes) == []


def test_nobody_logged_in_can_ask_nothing() -> None:
    client = Stage().client
    for asked in (client.users(), client.history(), client.set_status(True)):
        assert isinstance(Outcome(asked).error, NotConnected)


def test_what_is_asked_while_there_is_no_connection_fails_at_once(stage: Stage) -> None:
    stage.network.last.cut()
    assert isinstance(Outcome(stage.client.users_page()).error, NotConnected)
    stage.run(0.4)
    assert stage.state() is State.RECONNECTING
    assert isinstance(Outcome(stage.client.users_page()).error, NotConnected)


def test_questions_are_answered_in_order_one_at_a_time(stage: Stage) -> None:
    first, second = Outcome(stage.client.users_page()), Outcome(stage.client.history())
    third = Outcome(stage.client.users_page())
    stage.run()
    assert stage.server.all(wire.HistoryMes) == []
    stage.say(wire.UsersResMes([], 1))
    stage.say(wire.UsersResMes([], 99))  # nobody asked for this one now
    stage.say(wire.HistoryResMes([], False, 50))
    stage.say(wire.UsersResMes([], 3))
    assert (first.value.online, second.value.more, third.value.online) == (1, False, 3)


class Secret(str):
    """No text to the encoder of messages, which takes nothing that inherits."""


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "behind another question"])
def test_a_question_that_can_not_be_encoded_fails_for_who_asks_it_alone(
    stage: Stage, waits: bool
) -> None:
    first = Outcome(stage.client.users()) if waits else None
    odd = Outcome(stage.client.change_password("secret", Secret("better one")))
    last = Outcome(stage.client.users_page())
    stage.run()
    assert isinstance(odd.error, TypeError)
    for outcome in (first, last):
        if outcome is not None:
            stage.say(wire.UsersResMes([], 0, next=None))
            assert outcome.times == 1
            assert outcome.error is None
    assert stage.state() is State.ONLINE


def test_an_error_answers_the_question_that_is_under_way(stage: Stage) -> None:
    first, second = Outcome(stage.client.history()), Outcome(stage.client.users_page())
    stage.run()
    stage.say(wire.ErrorMes(505, "out of reach"))
    stage.say(wire.UsersResMes([], 1))
    assert isinstance(first.error, Refused)
    assert first.error.code == 505
    assert second.value is not None


def test_a_question_that_came_too_fast_is_asked_again_and_those_behind_it_wait(
    stage: Stage,
) -> None:
    first, second = Outcome(stage.client.history()), Outcome(stage.client.users_page())
    stage.run()
    stage.say(wire.ErrorMes(429, "too fast", retry_after=2, about="HistoryMes"))
    stage.run(1.9)
    assert len(stage.server.all(wire.HistoryMes)) == 1
    assert stage.server.all(wire.UsersMes) == []
    stage.run(0.2)
    assert len(stage.server.all(wire.HistoryMes)) == 2
    stage.say(wire.HistoryResMes([], False, 50))
    stage.say(wire.UsersResMes([], 1))
    assert first.value is not None
    assert second.value is not None


def test_a_question_that_has_to_wait_for_long_is_refused(stage: Stage) -> None:
    asked = Outcome(stage.client.history())
    stage.run()
    stage.say(wire.ErrorMes(429, "too fast", retry_after=60, about="HistoryMes"))
    assert isinstance(asked.error, Refused)
    assert (asked.error.code, asked.error.retry_after) == (429, 60)


def test_a_question_that_nobody_waits_for_is_not_asked_again(stage: Stage) -> None:
    deferred = stage.client.history()
    asked, second = Outcome(deferred), Outcome(stage.client.users_page())
    stage.run()
    deferred.cancel()
    stage.say(wire.ErrorMes(429, "too fast", retry_after=2, about="HistoryMes"))
    stage.run(3)
    assert len(stage.server.all(wire.HistoryMes)) == 1
    stage.say(wire.UsersResMes([], 1))
    assert asked.done
    assert second.value is not None


def test_a_change_of_password_too_many_says_how_long_to_wait(stage: Stage) -> None:
    asked = Outcome(stage.client.change_password("old", "new"))
    stage.run()
    stage.say(wire.PasswordResMes(429, "too fast", retry_after=30))
    assert isinstance(asked.error, Refused)
    assert asked.error.retry_after == 30


def test_a_refused_status_answers_no_question_and_is_said_again(stage: Stage) -> None:
    stage.client.set_status(True)
    asked = Outcome(stage.client.history())
    stage.run()
    stage.say(wire.ErrorMes(429, "too fast", retry_after=1, about="StatusMes"))
    stage.say(wire.HistoryResMes([], False, 50))
    assert asked.value is not None
    stage.run(1.1)
    assert [status.status for status in stage.server.all(wire.StatusMes)] == [2, 2]


def test_an_error_about_something_else_answers_nothing(stage: Stage) -> None:
    asked = Outcome(stage.client.users_page())
    stage.run()
    stage.say(wire.ErrorMes(410, "gone", rooms={"lobby": "9-0"}))
    stage.say(wire.ErrorMes(410, "gone", inbox="9-0"))
    stage.say(wire.ErrorMes(404, "no", id="some-message"))
    assert not asked.done
    stage.say(wire.UsersResMes([], 1))
    assert asked.value is not None


def test_a_connection_lost_fails_every_question_on_it(stage: Stage) -> None:
    outcomes = [Outcome(stage.client.users_page()) for _ in range(3)]
    stage.run()
    stage.network.last.cut()
    for outcome in outcomes:
        assert isinstance(outcome.error, NotConnected)
        assert str(outcome.error) == "the connection was lost"


def test_an_answer_that_does_not_come_is_the_connections_fault(stage: Stage) -> None:
    first = Outcome(stage.client.users_page())
    stage.run(5)
    second = Outcome(stage.client.history())
    stage.run(5.2)
    assert "no answer within 10 seconds" in str(first.error)
    assert isinstance(second.error, NotConnected)
    assert (first.times, second.times) == (1, 1)
    assert stage.states[-1] is State.RECONNECTING
    stage.come_back()
    assert stage.state() is State.ONLINE


def test_a_question_that_waited_for_its_turn_has_its_full_time(stage: Stage) -> None:
    first, second = Outcome(stage.client.users_page()), Outcome(stage.client.users_page())
    stage.run(9.9)
    stage.say(wire.UsersResMes([], 1))
    stage.run(9.9)
    stage.say(wire.UsersResMes([], 2))
    assert (first.value.online, second.value.online) == (1, 2)


def test_the_answer_to_a_question_that_was_given_up_is_nobody_elses(stage: Stage) -> None:
    deferred, waiting = stage.client.users_page(), stage.client.users_page()
    given_up, never_asked = Outcome(deferred), Outcome(waiting)
    other = Outcome(stage.client.users_page())
    stage.run()
    deferred.cancel()
    waiting.cancel()
    assert isinstance(given_up.error, CancelledError)
    assert isinstance(never_asked.error, CancelledError)
    stage.say(wire.UsersResMes([], 1))
    stage.say(wire.UsersResMes([], 2))
    assert other.value.online == 2
    assert len(stage.server.all(wire.UsersMes)) == 2
