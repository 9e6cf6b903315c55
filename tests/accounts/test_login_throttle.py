"""Who guesses has to wait, and nobody can lock another out."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.login_throttle import (
    AT_ACCOUNT,
    KNOWN_ADDRESSES,
    KNOWN_FOR,
    WINDOW,
    LoginThrottle,
)
from chatroom.accounts.passwords import Passwords
from chatroom.protocol import messages as wire
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.world import PASSWORD, World

HERE, THERE = "192.0.2.1", "198.51.100.7"
FAILURES = 10


class Desk:
    """A server that people at various addresses try to log in to."""

    def __init__(self, *, at_once: int = 2, failures: int = FAILURES) -> None:
        def make_accounts(store: MemoryStore, passwords: Passwords) -> Accounts:
            throttle = LoginThrottle(store, failures=failures, at_once=at_once)
            return Accounts(store, passwords, throttle=throttle, max_logins=0)

        self.world = World(make_accounts=make_accounts)
        self.world.account(1)
        self.hashes = 0
        hashing = self.world.in_thread

        def counted(function: Any, *args: object) -> Deferred[Any]:
            self.hashes += 1
            return hashing(function, *args)

        self.world.in_thread = counted

    def log_in(
        self,
        address: str = HERE,
        password: str = "wrong",
        *,
        user_id: int = 1,
        node: str = "one",
        dialect: int = 2,
        token: Any = None,
    ) -> wire.LoginResMes:
        client = self.world.connect(node, address=address)
        more = {} if token is None else {"token": token, "user_pwd": ""}
        login = wire.LoginMes(user_id=user_id, user_pwd=password)
        if dialect == 2:
            login.protocol = 2
        for name, value in more.items():
            setattr(login, name, value)
        client.says(login)
        self.world.settle()
        answer = client.take_one(wire.LoginResMes)
        client.cut()
        self.world.settle()
        return answer

    def code(self, address: str = HERE, password: str = "wrong", **more: Any) -> int:
        return self.log_in(address, password, **more).code

    def fail(self, times: int, address: str = HERE, **more: Any) -> None:
        for _ in range(times):
            assert self.code(address, **more) in (403, 500)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_after_ten_failures_an_address_has_to_wait_also_with_the_right_password(
    desk: Desk,
) -> None:
    desk.fail(FAILURES)
    answer = desk.log_in(password=PASSWORD)
    assert answer.code == 429
    assert WINDOW - 5 <= int(answer.retry_after or 0) <= WINDOW
    assert "try again in" in answer.error
    assert desk.code(THERE, PASSWORD) == 200
    desk.world.wait(int(answer.retry_after or 0), step=10)
    assert desk.code(password=PASSWORD) == 200


def test_an_original_client_is_told_how_long_in_chinese(desk: Desk) -> None:
    desk.fail(FAILURES)
    answer = desk.log_in(dialect=1)
    assert answer.code == 429
    assert answer.error == f"错误次数太多, 请{answer.retry_after}秒后再试"


def test_a_try_that_is_refused_costs_no_hash_and_is_no_failure(desk: Desk) -> None:
    desk.fail(FAILURES)
    desk.hashes = 0
    desk.world.wait(WINDOW / 2, step=10)
    for _ in range(20):
        assert desk.code() == 429
    assert desk.hashes == 0
    desk.world.wait(WINDOW / 2, step=10)
    assert desk.code() == 403


def test_an_address_is_counted_on_all_nodes_together_and_over_a_restart(desk: Desk) -> None:
    desk.fail(FAILURES // 2, node="one")
    desk.fail(FAILURES // 2, node="two")
    assert desk.code(node="three") == 429


def test_unknown_ids_count_and_are_not_told_any_more(desk: Desk) -> None:
    desk.fail(FAILURES, user_id=404)
    assert desk.code(user_id=404) == 429
    assert desk.code(user_id=1) == 429


def test_a_customer_of_ipv6_is_one_address(desk: Desk) -> None:
    for number in range(FAILURES):
        desk.fail(1, f"2001:db8:0:1::{number:x}")
    assert desk.code("2001:db8:0:1:ffff::1") == 429
    assert desk.code("2001:db8:0:2::1") == 403
    desk.fail(FAILURES, f"::ffff:{HERE}")
    assert desk.code(HERE) == 429


def test_an_account_has_an_end_to_its_failures_wherever_they_come_from(desk: Desk) -> None:
    for number in range(AT_ACCOUNT):
        desk.fail(1, f"203.0.113.{number}")
    assert desk.code(THERE, PASSWORD) == 429
    desk.world.account(2)
    assert desk.code(THERE, PASSWORD, user_id=2) == 200


def test_where_a_user_logged_in_before_the_right_password_works_whatever_others_do(
    desk: Desk,
) -> None:
    assert desk.code(THERE, PASSWORD) == 200
    for number in range(AT_ACCOUNT):
        desk.fail(1, f"203.0.113.{number}")
    assert desk.code(HERE, PASSWORD) == 429
    desk.world.account(2)
    desk.fail(FAILURES, THERE, user_id=404)
    assert desk.code(THERE, PASSWORD, user_id=2) == 429
    assert desk.code(THERE, PASSWORD) == 200


def test_also_there_nobody_has_guesses_without_end(desk: Desk) -> None:
    assert desk.code(THERE, PASSWORD) == 200
    desk.fail(AT_ACCOUNT, THERE)
    assert desk.code(THERE, PASSWORD) == 429
    desk.world.wait(WINDOW, step=10)
    assert desk.code(THERE, PASSWORD) == 200


def test_a_login_by_token_makes_an_address_known_too(desk: Desk) -> None:
    token = desk.log_in(HERE, PASSWORD).token
    assert desk.code(THERE, token=token) == 200
    desk.fail(FAILURES, THERE, user_id=404)
    assert desk.code(THERE, PASSWORD) == 200


def test_only_the_newest_addresses_are_known_and_not_for_ever(desk: Desk) -> None:
    desk.code(HERE, PASSWORD)
    desk.fail(FAILURES, HERE, user_id=404)
    for number in range(KNOWN_ADDRESSES - 1):
        desk.code(f"203.0.113.{number}", PASSWORD)
    assert desk.code(HERE, PASSWORD) == 200
    for number in range(KNOWN_ADDRESSES):
        desk.code(f"203.0.113.{number}", PASSWORD)
    assert desk.code(HERE, PASSWORD) == 429
    desk.world.clock.advance(KNOWN_FOR)
    desk.fail(FAILURES, "203.0.113.1", user_id=404)
    assert desk.code("203.0.113.1", PASSWORD) == 429


def test_tokens_are_neither_counted_nor_stopped_and_tell_no_ids(desk: Desk) -> None:
    token = desk.log_in(THERE, PASSWORD).token
    for _ in range(2 * FAILURES):
        assert desk.code(token="nonsense") == 403
        assert desk.code(token="nonsense", user_id=404) == 403
    desk.fail(FAILURES)
    assert desk.code() == 429
    assert desk.code(token=token) == 200


@pytest.mark.no_cover  # the other tests go the same ways
@pytest.mark.parametrize("threads", [1, 3])
def test_of_a_thousand_tries_at_once_no_more_slip_through_than_there_are_threads(
    threads: int,
) -> None:
    desk = Desk(at_once=threads)
    clients = [desk.world.connect(address=HERE) for _ in range(1000)]
    for client in clients:
        client.says(desk.world.login(1, user_pwd="wrong"))
    desk.world.settle()
    codes = [client.take_one(wire.LoginResMes).code for client in clients]
    assert codes.count(403) + codes.count(429) == 1000
    assert FAILURES <= codes.count(403) < FAILURES + threads


def test_a_change_of_the_password_is_a_guess_as_well(desk: Desk) -> None:
    thief = desk.world.connect(address=THERE)
    thief.says(desk.world.login(1))
    desk.world.settle()
    for _ in range(AT_ACCOUNT):
        thief.says(wire.PasswordMes(user_pwd="wrong", new_pwd="better one"))
        desk.world.settle()
        assert thief.take_one(wire.PasswordResMes).code == 403
    thief.says(wire.PasswordMes(user_pwd=PASSWORD, new_pwd="better one"))
    desk.world.settle()
    answer = thief.take_one(wire.PasswordResMes)
    assert answer.code == 429
    assert int(answer.retry_after or 0) > 0
    assert desk.code(HERE, PASSWORD) == 429


def test_with_no_limit_nobody_waits() -> None:
    desk = Desk(failures=0)
    desk.fail(AT_ACCOUNT + 1)
    assert desk.code(password=PASSWORD) == 200


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("password", ["wrong", PASSWORD])
def test_a_store_that_goes_away_meanwhile_is_505_and_lets_nobody_in(
    desk: Desk, turns: int, password: str
) -> None:
    client = desk.world.connect(address=HERE)
    client.says(desk.world.login(1, user_pwd=password))
    for _ in range(turns):
        desk.world.clock.turn()
    desk.world.store().fail(Trouble.REFUSES)
    desk.world.settle()
    codes = [answer.code for answer in client.take_only(wire.LoginResMes)]
    assert codes in ([505], [403] if password == "wrong" else [505])
    desk.world.store().recover()
    desk.world.wait(2)
    assert desk.code(THERE, PASSWORD) == 200


def test_a_hash_that_fails_keeps_nobody_behind_it_waiting(desk: Desk) -> None:
    works = desk.world.in_thread
    desk.world.in_thread = lambda *_: fail(MemoryError())
    for _ in range(5):
        assert desk.code(password=PASSWORD) == 505
    desk.world.in_thread = works
    assert desk.code(password=PASSWORD) == 200
