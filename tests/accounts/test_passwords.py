"""Password hashes, and the threads that make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import pytest_twisted
from argon2 import PasswordHasher, Type
from twisted.internet.defer import Deferred, gatherResults, succeed

from chatroom.accounts.passwords import HashThreads, Passwords, same_text

T = TypeVar("T")


def at_once(function: Callable[..., T], *args: object) -> Deferred[T]:
    return succeed(function(*args))


def result(deferred: Deferred[T]) -> T:
    results: list[T] = []
    deferred.addCallback(results.append)
    return results[0]


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(at_once, time_cost=1, memory_kib=8)


@pytest.mark.parametrize("password", ["secret", "密码密码密码", "x" * 1024, ""])
def test_a_hash_is_of_its_password_and_of_no_other(passwords: Passwords, password: str) -> None:
    hashed = result(passwords.hash(password))
    assert hashed.startswith("$argon2id$")
    assert password not in hashed or not password
    assert result(passwords.verify(hashed, password))
    assert not result(passwords.verify(hashed, password + "x"))


def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert result(passwords.hash("secret")) != result(passwords.hash("secret"))


@pytest.mark.parametrize("hashed", ["", "secret", "$argon2id$nonsense"])
def test_what_is_no_hash_fits_no_password(passwords: Passwords, hashed: str) -> None:
    assert not result(passwords.verify(hashed, "secret"))
    assert not result(passwords.verify(hashed, hashed))


def test_a_hash_of_other_costs_still_fits_and_is_outdated(passwords: Passwords) -> None:
    hashed = result(passwords.hash("secret"))
    dearer = Passwords(at_once, time_cost=2, memory_kib=16)
    assert not passwords.is_outdated(hashed)
    assert dearer.is_outdated(hashed)
    assert result(dearer.verify(hashed, "secret"))


def test_a_hash_that_cost_more_than_is_asked_for_now_is_left_alone() -> None:
    dear = Passwords(at_once, time_cost=2, memory_kib=16)
    for cheaper in ({"time_cost": 1, "memory_kib": 16}, {"time_cost": 2, "memory_kib": 8}):
        now = Passwords(at_once, **cheaper)
        hashed = result(dear.hash("secret"))
        assert not now.is_outdated(hashed)
        assert result(now.verify(hashed, "secret"))
        assert dear.is_outdated(result(now.hash("secret")))


def test_as_much_work_is_as_good_however_it_is_shared_out() -> None:
    first = result(Passwords(at_once, time_cost=2, memory_kib=16).hash("secret"))
    assert not Passwords(at_once, time_cost=4, memory_kib=8).is_outdated(first)
    assert not Passwords(at_once, time_cost=1, memory_kib=32).is_outdated(first)


def test_a_hash_of_an_older_kind_is_outdated(passwords: Passwords) -> None:
    assert passwords.is_outdated(PasswordHasher(4, 64, 1, type=Type.I).hash("secret"))


def test_lone_surrogates_fit_no_password(passwords: Passwords) -> None:
    assert not result(passwords.verify(result(passwords.hash("secret")), "secret\ud800"))
    assert not same_text("secret\ud800", "secret")


def test_the_default_costs_are_owasps_first_choice() -> None:
    hashed = result(Passwords(at_once).hash("secret"))
    assert "$m=19456,t=2,p=1$" in hashed


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("a", "a", True), ("a", "b", False), ("密", "密", True), ("", "", True), ("a", "aa", False)],
)
def test_texts_are_compared_as_they_are(left: str, right: str, same: bool) -> None:
    assert same_text(left, right) is same


@pytest_twisted.ensureDeferred
async def test_hashing_runs_in_threads_and_comes_back() -> None:
    from twisted.internet import reactor

    threads = HashThreads(reactor, 2)
    threads.start()
    try:
        passwords = Passwords(threads, time_cost=1, memory_kib=8)
        hashes = await gatherResults([passwords.hash(f"{n}") for n in range(8)])
        right: Any = await gatherResults(
            [passwords.verify(hashed, f"{n}") for n, hashed in enumerate(hashes)]
        )
        assert right == [True] * 8
    finally:
        threads.stop()
