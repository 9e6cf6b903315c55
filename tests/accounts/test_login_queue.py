"""Logins wait in line where too many come at once."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.passwords import Passwords
from chatroom.protocol import messages as wire
from tests.doubles.memory_store import MemoryStore
from tests.world import Client, World


class Slow:
    """A world where each hash takes until it is let go."""

    def __init__(self, max_logins: int) -> None:
        def make_accounts(store: MemoryStore, passwords: Passwords) -> Accounts:
            return Accounts(store, passwords, max_logins=max_logins)

        self.world = World(make_accounts=make_accounts)
        self.hashing: list[Deferred[Any]] = []
        self.world.node()

    def start(self) -> None:
        self.world.in_thread = self._hash

    def _hash(self, function: Any, *args: object) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.hashing.append(deferred)
        return deferred

    def try_to_log_in(self, user_id: int) -> Client:
        client = self.world.connect(address=f"192.0.2.{user_id}")
        client.says(self.world.login(user_id))
        self.world.settle()
        return client

    def finish(self) -> None:
        """One hash comes to its end."""
        self.hashing.pop(0).callback(True)
        self.world.settle()


def slow(max_logins: int, users: int) -> tuple[Slow, list[Client]]:
    made = Slow(max_logins)
    for user_id in range(1, users + 1):
        made.world.account(user_id)
    made.start()
    return made, [made.try_to_log_in(user_id) for user_id in range(1, users + 1)]


def members(clients: list[Client]) -> list[bool]:
    return [client.session.is_member for client in clients]


def test_who_came_first_is_served_first() -> None:
    here, clients = slow(1, 3)
    assert len(here.hashing) == 1
    here.finish()
    assert members(clients) == [True, False, False]
    here.finish()
    assert members(clients) == [True, True, False]
    here.finish()
    assert members(clients) == [True, True, True]


def test_registrations_stand_in_the_same_line() -> None:
    here, [first] = slow(1, 1)
    second = here.world.connect()
    second.says(wire.RegisterMes(wire.User(9, "secret", "Ann")))
    here.world.settle()
    assert len(here.hashing) == 1
    here.finish()
    assert first.session.is_member
    assert len(here.hashing) == 1


def test_who_waits_in_line_is_not_cut_off_and_can_still_log_in() -> None:
    here, clients = slow(1, 2)
    here.world.wait(200, step=1)
    assert [client.gone for client in clients] == [False, False]
    here.finish()
    here.finish()
    assert members(clients) == [True, True]


def test_who_goes_leaves_the_line() -> None:
    here, clients = slow(1, 3)
    clients[1].cut()
    here.finish()
    assert len(here.hashing) == 1
    here.finish()
    assert members(clients) == [True, False, True]
    assert here.hashing == []


def test_who_goes_while_served_keeps_the_place_until_that_is_done() -> None:
    here, clients = slow(1, 2)
    clients[0].cut()
    here.world.settle()
    assert len(here.hashing) == 1
    here.finish()
    here.finish()
    assert members(clients) == [False, True]


def test_with_no_limit_nobody_waits_for_others() -> None:
    here, clients = slow(0, 3)
    # The line of those who guess is another one: it is as long as there are threads.
    assert len(here.hashing) == 2
    for _ in range(3):
        here.finish()
    assert members(clients) == [True, True, True]


@pytest.mark.parametrize("user_id", [1, 404])
def test_a_login_that_fails_leaves_its_place_to_the_next(user_id: int) -> None:
    here = Slow(1)
    here.world.account(1)
    for _ in range(3):
        client = here.world.connect()
        client.says(wire.LoginMes(user_id=user_id, user_pwd="wrong"))
        here.world.settle()
        assert client.take_one(wire.LoginResMes).code in (403, 500)
