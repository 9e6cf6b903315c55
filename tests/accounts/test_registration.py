"""Who may make an account, how many, and with what password."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.password_policy import PasswordPolicy, common_passwords
from chatroom.accounts.passwords import Passwords
from chatroom.accounts.registration import WINDOW, Registration
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import MAX_PASSWORD
from chatroom.protocol.refusals import Refused
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.world import PASSWORD, World

#: Those kept for documents count as private.
HERE, THERE = "9.9.9.9", "2620:fe::fe"


class Desk:
    """A server where people at various addresses register."""

    def __init__(self, *, strict: bool = False, **registration: Any) -> None:
        def make_accounts(store: MemoryStore, passwords: Passwords) -> Accounts:
            throttle = LoginThrottle(store)
            return Accounts(
                store,
                passwords,
                policy=PasswordPolicy(strict=strict),
                throttle=throttle,
                registration=Registration(store, throttle, **registration),
            )

        self.world = World(make_accounts=make_accounts)
        self.free_id = 0

    def register(
        self,
        address: str = HERE,
        *,
        password: str = PASSWORD,
        name: str = "Ann",
        invite: Any = UNSET,
        user_id: int = 0,
    ) -> wire.RegisterResMes:
        if not user_id:
            self.free_id += 1
        client = self.world.connect(address=address)
        user = wire.User(user_id or self.free_id, password, name)
        client.says(wire.RegisterMes(user, invite))
        self.world.settle()
        answer = client.take_one(wire.RegisterResMes)
        client.cut()
        return answer

    def code(self, address: str = HERE, **more: Any) -> int:
        return self.register(address, **more).code


# ---------------------------------------------------------------- who


def test_where_registration_is_closed_nobody_registers_and_is_told_so() -> None:
    desk = Desk(closed=True)
    answer = desk.register(invite="please")
    assert answer.code == 506
    assert "nobody can register here" in answer.error
    assert not desk.world.backend.accounts


@pytest.mark.parametrize("invite", [UNSET, "", "hus", "hushh", "HUSH", "\N{SNOWMAN}"])
def test_without_the_invitation_nobody_registers_and_is_told_so(invite: Any) -> None:
    desk = Desk(invite="hush")
    answer = desk.register(invite=invite)
    assert answer.code == 506
    assert "an invitation is needed" in answer.error
    assert "hush" not in answer.error
    assert not desk.world.backend.accounts


@pytest.mark.parametrize("secret", ["hush", "小声"])
def test_with_the_invitation_one_registers(secret: str) -> None:
    assert Desk(invite=secret).code(invite=secret) == 200


def test_where_none_is_needed_an_invitation_does_no_harm() -> None:
    assert Desk().code(invite="hush") == 200


def test_invitations_can_not_be_guessed_at_without_end() -> None:
    desk = Desk(invite="hush")
    for _ in range(20):
        assert desk.code() == 506  # none at all is no guess
    for _ in range(10):
        assert desk.code(invite="wrong") == 506
    answer = desk.register(invite="hush")
    assert answer.code == 429
    assert 590 <= int(answer.retry_after or 0) <= 600
    assert desk.code(THERE, invite="hush") == 200


# ---------------------------------------------------------------- how many


def test_an_address_makes_so_many_accounts_in_an_hour() -> None:
    desk = Desk(rate=3)
    assert [desk.code() for _ in range(3)] == [200, 200, 200]
    answer = desk.register()
    assert answer.code == 429
    wait = int(answer.retry_after or 0)
    assert WINDOW - 5 <= wait <= WINDOW
    assert f"请{wait}秒后再试" in answer.error
    assert desk.code(THERE) == 200
    desk.world.wait(wait, step=60)
    assert desk.code() == 200


def test_what_was_refused_before_the_hash_is_not_counted() -> None:
    desk = Desk(rate=2)
    assert desk.code(user_id=1) == 200
    for _ in range(5):
        assert desk.code(user_id=1) == 505
        assert desk.code(password="short") == 506
    assert desk.code(user_id=2) == 200
    assert desk.code(user_id=3) == 429


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.7.7", "local"])
def test_a_class_behind_one_address_of_its_own_registers_as_one_likes(address: str) -> None:
    desk = Desk(rate=3)
    assert {desk.code(address) for _ in range(10)} == {200}


def test_with_no_limit_any_number_registers() -> None:
    desk = Desk(rate=0)
    assert {desk.code("8.8.8.8") for _ in range(30)} == {200}


@pytest.mark.parametrize("turns", range(4))
def test_a_store_that_goes_away_meanwhile_is_506(turns: int) -> None:
    desk = Desk(invite="hush")
    client = desk.world.connect(address=HERE)
    client.says(wire.RegisterMes(wire.User(1, PASSWORD, "Ann"), "hush"))
    for _ in range(turns):
        desk.world.clock.turn()
    desk.world.store().fail(Trouble.REFUSES)
    desk.world.settle()
    assert client.take_one(wire.RegisterResMes).code == 506


# ---------------------------------------------------------------- with what password


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("1234567", "at least 8 characters"),
        ("password", "one of the commonest"),
        ("PassWord", "one of the commonest"),
        ("12345678", "one of the commonest"),
        ("9007199254740991", "the user's id or name"),
        ("ANNABELLA", "the user's id or name"),
    ],
)
def test_a_strict_server_says_why_it_takes_no_weak_password(password: str, why: str) -> None:
    desk = Desk(strict=True)
    answer = desk.register(password=password, name=" Annabella ", user_id=2**53 - 1)
    assert answer.code == 506
    assert why in answer.error


@pytest.mark.parametrize(
    "password", ["correct horse", " padded ", "小明的密码真的很长", "abcdefg\0"]
)
def test_a_strict_server_takes_what_is_typed_as_it_is(password: str) -> None:
    desk = Desk(strict=True)
    assert desk.code(password=password, user_id=1) == 200
    client = desk.world.connect()
    client.says(desk.world.login(1, user_pwd=password.strip(" \0")))
    desk.world.settle()
    refused = password.strip(" \0") != password
    assert client.take_one(wire.LoginResMes).code == (403 if refused else 200)
    if refused:
        client.says(desk.world.login(1, user_pwd=password))
        desk.world.settle()
        assert client.take_one(wire.LoginResMes).code == 200


def test_a_change_is_held_to_the_same_and_a_login_is_not() -> None:
    desk = Desk(strict=True)
    desk.world.account(1)  # its password is too short by now
    client = desk.world.enter(1)
    desk.world.forget(client)
    client.says(wire.PasswordMes(user_pwd=PASSWORD, new_pwd="iloveyou"))
    desk.world.settle()
    answer = client.take_one(wire.PasswordResMes)
    assert answer.code == 506
    assert answer.error == "this password is one of the commonest: choose another one"


def test_a_longest_password_is_taken_whole_and_a_longer_one_refused() -> None:
    desk = Desk()
    longest = "é" * (MAX_PASSWORD // 2)
    assert desk.code(password=longest, user_id=1) == 200
    for wrong in (longest[:-1], longest[:-1] + "e"):
        client = desk.world.connect()
        client.says(desk.world.login(1, user_pwd=wrong))
        desk.world.settle()
        assert client.take_one(wire.LoginResMes).code == 403
    client = desk.world.connect()
    client.says(desk.world.login(1, user_pwd=longest))
    desk.world.settle()
    assert client.take_one(wire.LoginResMes).code == 200


def test_strict_never_means_less_than_was_asked_for_otherwise() -> None:
    policy = PasswordPolicy(12, strict=True)
    with pytest.raises(Refused, match="at least 12"):
        policy.check("a" * 11, 1, "Ann")
    policy.check("a" * 12, 1, "Ann")


def test_the_list_has_the_3000_commonest_that_are_long_enough() -> None:
    common = common_passwords()
    assert len(common) == 3000
    assert all(len(word) >= 8 and word == word.casefold().strip() for word in common)
    assert {"password", "iloveyou", "11111111"} <= common


def test_a_password_that_is_no_text_is_refused_without_being_shown() -> None:
    with pytest.raises(Refused) as caught:
        PasswordPolicy().check("hush-hush\ud800", 1, "Ann")
    assert "hush" not in f"{caught.value!r} {caught.value.refusal}"
    assert caught.value.__cause__ is None
