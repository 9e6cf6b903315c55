"""Registering, logging in by password or token, and changing the password."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.accounts.passwords import Passwords
from chatroom.accounts.tokens import TOKEN_LIFETIME
from chatroom.protocol import refusals
from chatroom.protocol.messages import Code, User
from chatroom.protocol.refusals import Refusal, Refused
from chatroom.store.records import Account
from chatroom.store.redis.accounts import TOKEN_GRACE
from tests.doubles.memory_store import Trouble
from tests.world import PASSWORD, World

T = TypeVar("T")

#: Where everybody is.
HERE = "192.0.2.1"


class Desk:
    """The accounts of one node, asked one thing after another."""

    def __init__(self) -> None:
        self.world = World()
        self.store = self.world.store()
        self.accounts = self.world.node().accounts

    def ask(self, asking: Coroutine[Deferred[Any], Any, T]) -> T:
        return self.world.run(asking)

    def refusal(self, asking: Coroutine[Deferred[Any], Any, Any]) -> Refusal:
        with pytest.raises(Refused) as refused:
            self.ask(asking)
        return refused.value.refusal

    def token(self, user_id: int = 1, token: str = "") -> str:
        """A new token, by password or by an older token."""
        self.world.account(user_id)
        return self.ask(
            self.accounts.log_in(user_id, PASSWORD, token, address=HERE, wants_token=True)
        ).token

    def code(self, password: str = "", token: str = "") -> int:
        """How logging in as user 1 is answered."""
        try:
            self.ask(self.accounts.log_in(1, password, token, address=HERE, wants_token=False))
        except Refused as refused:
            return refused.refusal.code
        return Code.OK


@pytest.fixture
def desk() -> Desk:
    return Desk()


def user(password: str = PASSWORD, name: str = "Ann", **more: Any) -> User:
    return User(user_id=1, user_pwd=password, user_name=name, **more)


# ---------------------------------------------------------------- registering


def test_who_registers_can_log_in_and_the_password_lies_nowhere_in_clear(desk: Desk) -> None:
    desk.ask(desk.accounts.register(user(name="  Ann ", sex="f", user_status=2), HERE))
    account = desk.ask(desk.accounts.log_in(1, PASSWORD, address=HERE, wants_token=False)).account
    assert (account.name, account.sex, account.status) == ("Ann", "f", 2)
    assert account.password.startswith("$argon2id$")
    assert not account.legacy


@pytest.mark.parametrize("status", [1, 7, -1])
def test_nobody_registers_as_offline(desk: Desk, status: int) -> None:
    desk.ask(desk.accounts.register(user(user_status=status), HERE))
    assert desk.world.backend.accounts[1].status == 0


def test_of_two_registrations_at_once_exactly_one_wins(desk: Desk) -> None:
    first, second = (ensureDeferred(desk.accounts.register(user(name=name), HERE)) for name in "ab")
    outcomes: list[Any] = []
    for registering in (first, second):
        registering.addBoth(outcomes.append)
    desk.world.settle()
    won = [outcome for outcome in outcomes if outcome is None]
    [lost] = [outcome.value.refusal for outcome in outcomes if outcome is not None]
    assert len(won) == 1
    assert lost == refusals.ID_TAKEN


def test_the_shortest_password_can_be_set() -> None:
    world = World()
    accounts = Accounts(world.store(), world.passwords, policy=PasswordPolicy(2))
    world.run(accounts.register(user("12"), HERE))
    with pytest.raises(Refused):
        world.run(accounts.register(user("1"), HERE))


@pytest.mark.parametrize("trouble", [Trouble.REFUSES, Trouble.FORGETS])
@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_registration_that_the_store_fails_is_506(
    desk: Desk, trouble: Trouble, turns: int
) -> None:
    registering = ensureDeferred(desk.accounts.register(user(), HERE))
    for _ in range(turns):
        desk.world.clock.turn()
    desk.store.fail(trouble)
    with pytest.raises(Refused) as refused:
        desk.world.run(registering)
    assert refused.value.refusal == refusals.REGISTER_FAILED


# ---------------------------------------------------------------- passwords


def test_a_wrong_password_and_an_unknown_user_are_told_apart(desk: Desk) -> None:
    assert desk.code(PASSWORD) == 500
    desk.world.account(1)
    assert desk.code("wrong") == 403
    assert desk.code("") == 403
    assert desk.code(PASSWORD) == 200


def test_a_store_that_is_away_is_told_to_who_logs_in(desk: Desk) -> None:
    desk.world.account(1)
    desk.store.fail(Trouble.REFUSES)
    assert desk.code(PASSWORD) == 505


def test_two_first_logins_of_an_old_account_at_once_both_work(desk: Desk) -> None:
    old = Account(user_id=1, name="old", password=PASSWORD, legacy=True)
    desk.world.backend.legacy[1] = old
    logins = [
        ensureDeferred(desk.accounts.log_in(1, PASSWORD, address=HERE, wants_token=True))
        for _ in range(2)
    ]
    desk.world.settle()
    for login in logins:
        assert desk.code(token=desk.world.run(login).token) == 200
    assert desk.code(PASSWORD) == 200


def test_a_hash_of_other_costs_is_made_anew_at_the_next_login(desk: Desk) -> None:
    desk.world.account(1)
    token = desk.token()
    old = desk.world.backend.accounts[1].password
    dearer = Passwords(desk.world.in_thread, time_cost=2, memory_kib=8)
    accounts = Accounts(desk.store, dearer)
    desk.ask(accounts.log_in(1, PASSWORD, address=HERE, wants_token=False))
    assert desk.world.backend.accounts[1].password != old
    assert desk.code(PASSWORD) == 200
    assert desk.code(token=token) == 200


def test_a_dearer_hash_is_not_made_anew_by_a_server_that_asks_for_less(desk: Desk) -> None:
    desk.world.account(1)
    dearer = Passwords(desk.world.in_thread, time_cost=2, memory_kib=8)
    desk.ask(Accounts(desk.store, dearer).log_in(1, PASSWORD, address=HERE, wants_token=False))
    dear = desk.world.backend.accounts[1].password
    assert desk.code(PASSWORD) == 200
    assert desk.world.backend.accounts[1].password == dear


# ---------------------------------------------------------------- tokens


def test_a_token_logs_in_without_a_password_and_the_store_holds_only_its_hash(
    desk: Desk,
) -> None:
    token = desk.token()
    assert desk.code(token=token) == 200
    assert token not in desk.world.backend.tokens
    assert desk.token(2) != token


def test_a_token_is_replaced_at_each_login_and_the_old_one_lapses_soon(desk: Desk) -> None:
    old = desk.token()
    new = desk.token(token=old)
    assert new != old
    # For a client that lost its connection before the new one came.
    assert desk.code(token=old) == 200
    desk.world.clock.advance(TOKEN_GRACE + 1)
    assert desk.code(token=old) == 403
    assert desk.code(token=new) == 200


def test_a_token_lasts_30_days_after_its_last_use(desk: Desk) -> None:
    token = desk.token()
    for _ in range(3):
        desk.world.clock.advance(TOKEN_LIFETIME - 10)
        token = desk.token(token=token)
    desk.world.clock.advance(TOKEN_LIFETIME + 10)
    assert desk.code(token=token) == 403


def test_a_token_is_of_one_user_only(desk: Desk) -> None:
    desk.world.account(1)
    token = desk.token(2)
    assert desk.code(token=token) == 403
    assert desk.code(token="nonsense") == 403


def test_after_logging_out_a_token_is_void_and_the_one_before_it_too(desk: Desk) -> None:
    old = desk.token()
    new = desk.token(token=old)
    other = desk.token()
    desk.ask(desk.accounts.tokens.forget(new))
    assert desk.code(token=new) == 403
    assert desk.code(token=old) == 403
    assert desk.code(token=other) == 200


def test_a_logout_that_the_store_fails_is_told(desk: Desk) -> None:
    desk.store.fail(Trouble.REFUSES)
    assert desk.refusal(desk.accounts.tokens.forget("x")) == refusals.STORE_DOWN


# ---------------------------------------------------------------- changing the password


def change(desk: Desk, old: str = PASSWORD, new: str = "better one", keep: str = "") -> None:
    desk.ask(desk.accounts.change_password(1, old, new, keep=keep, address=HERE))


def test_a_changed_password_voids_every_token_but_the_changing_sessions_own(desk: Desk) -> None:
    mine, other = desk.token(), desk.token()
    change(desk, keep=mine)
    assert desk.code(PASSWORD) == 403
    assert desk.code("better one") == 200
    assert desk.code(token=mine) == 200
    assert desk.code(token=other) == 403


def test_without_a_token_of_its_own_a_session_keeps_none(desk: Desk) -> None:
    other = desk.token()
    change(desk)
    assert desk.code(token=other) == 403


@pytest.mark.parametrize(
    ("old", "new", "code"), [("wrong", "better one", 403), (PASSWORD, "short", 506)]
)
def test_a_change_that_is_refused_changes_nothing(
    desk: Desk, old: str, new: str, code: int
) -> None:
    token = desk.token()
    refusal = desk.refusal(desk.accounts.change_password(1, old, new, address=HERE))
    assert refusal.code == code
    assert desk.code(PASSWORD) == 200
    assert desk.code(token=token) == 200


def test_the_password_of_nobody_can_not_be_changed(desk: Desk) -> None:
    refusal = desk.refusal(desk.accounts.change_password(1, PASSWORD, "better one", address=HERE))
    assert refusal == refusals.NO_SUCH_USER


def test_of_two_changes_at_once_exactly_one_wins(desk: Desk) -> None:
    desk.world.account(1)
    outcomes: list[Any] = []
    for new in ("the first", "the second"):
        changing = desk.accounts.change_password(1, PASSWORD, new, address=HERE)
        ensureDeferred(changing).addBoth(outcomes.append)
    desk.world.settle()
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sorted([desk.code("the first"), desk.code("the second")]) == [200, 403]


def test_a_change_that_the_store_fails_is_told(desk: Desk) -> None:
    desk.world.account(1)
    desk.store.fail(Trouble.REFUSES)
    refusal = desk.refusal(desk.accounts.change_password(1, PASSWORD, "better one", address=HERE))
    assert refusal == refusals.STORE_DOWN


def test_a_changed_password_counts_also_when_the_sessions_token_could_not_be_kept(
    desk: Desk,
) -> None:
    token = desk.token()
    changing = ensureDeferred(
        desk.accounts.change_password(1, PASSWORD, "better one", keep=token, address=HERE)
    )
    while desk.world.backend.accounts[1].generation == 0:
        desk.world.clock.turn()
    desk.store.fail(Trouble.REFUSES)
    desk.world.run(changing)
    desk.store.recover()
    assert desk.code("better one") == 200
    assert desk.code(token=token) == 403
