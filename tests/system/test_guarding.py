"""Guessing, registering, and who is slow to log in, against a real server on a real store."""

from __future__ import annotations

from chatroom.protocol import messages as wire
from tests.system.console import Pipe, Terminal
from tests.system.lab import Lab
from tests.wire import PASSWORD

LOG_IN, REGISTER, LEAVE, CHANGE = "1", "2", "4", "7"


def test_who_guesses_has_to_wait_also_after_a_restart_and_nobody_else_is_locked_out(
    lab: Lab,
) -> None:
    server = lab.server("--login-failures", "3")
    with server.client() as alice, server.client() as mallory, server.client() as bob:
        alice.enter(100)
        assert bob.register(101) == 200
        for _ in range(3):
            assert mallory.log_in(100, "wrong password").code == 403
        answer = mallory.log_in(101)
        assert answer.code == 429
        assert 0 < int(answer.retry_after or 0) <= 600
        assert "try again in" in answer.error
    server.stop()
    log = server.log()
    assert log.count("Login of 100 from 127.0.0.1: wrong password") == 3
    assert log.count("Login of 101 from 127.0.0.1: blocked") == 1
    assert PASSWORD not in server.said()

    server = lab.server("--login-failures", "3", data=server.data)
    with server.client() as alice, server.client() as mallory:
        assert mallory.log_in(101).code == 429
        assert alice.log_in(100).code == 200


def test_who_is_invited_registers_with_the_command_and_others_are_told_how(lab: Lab) -> None:
    server = lab.server("--registration", "invite:hush", "--password-policy", "strict")
    given = [REGISTER, "100", "a long enough one", "kiwi"]
    with Pipe(server.port) as pipe:
        pipe.type(*given)
        pipe.end_of_input()
        assert pipe.ends() == 1
        assert "an invitation is needed to register: chatroom --invite SECRET" in pipe.errors
    with Pipe(server.port, "--invite", "hush") as pipe:
        pipe.type(REGISTER, "100", "iloveyou", "kiwi", *given, LOG_IN, *given[1:3], LEAVE)
        assert pipe.ends() == 0
        assert "Welcome kiwi" in pipe.said
        assert "one of the commonest" in pipe.errors
    assert "hush" not in server.said()


def test_a_first_menu_that_waits_longer_than_the_server_loses_nothing(lab: Lab) -> None:
    # As long as a busy machine may take for a registration or a login.
    server = lab.server("--login-timeout", "5")
    with server.client() as client:
        for number in (100, 101):
            assert client.register(number, "kiwi") == 200
    with Pipe(server.port) as pipe, Terminal(server.port) as terminal:
        for person in (pipe, terminal):
            person.sees("Choose (1-3):")
        # Connected last, so dropped last.
        with server.client() as later:
            [told] = later.expect_end()
        assert isinstance(told, wire.ErrorMes)
        assert told.code == 409
        for person, user_id in ((pipe, "100"), (terminal, "101")):
            person.type(LOG_IN, user_id, PASSWORD)
            person.sees("Welcome kiwi")
            person.type(LEAVE)
            assert person.ends() == 0
            assert "ended" not in person.said


def test_a_changed_password_ends_the_other_devices_session_which_says_why(lab: Lab) -> None:
    server = lab.server()
    with server.client() as client:
        client.register(100, "kiwi")
    with Terminal(server.port) as here, Terminal(server.port) as there:
        for person in (here, there):
            person.type(LOG_IN, "100", PASSWORD)
            person.sees("Welcome kiwi")
        here.type(CHANGE, PASSWORD, "better one", "better one")
        here.sees("Password changed")
        there.sees("The connection to the server has ended: the password was changed")
        there.type("1")
        there.sees("Choose (1-3):")
        there.type(LOG_IN, "100", "better one")
        there.sees("Welcome kiwi")
        here.type(LEAVE)
        assert here.ends() == 0
