"""Who may come in: counted by address and altogether."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from chatroom.limits.connections import LOCAL, QUIET, ConnectionLimit


@pytest.fixture
def clock() -> Any:
    return Clock()


def admitted(keeper: ConnectionLimit, *addresses: str) -> list[bool]:
    return [keeper.admit(address) for address in addresses]


def test_each_address_has_its_own_number(clock: Any) -> None:
    keeper = ConnectionLimit(clock, per_address=2)
    assert admitted(keeper, *["192.0.2.1"] * 3, "192.0.2.2") == [True, True, False, True]
    keeper.leave("192.0.2.1")
    assert admitted(keeper, "192.0.2.1", "192.0.2.1") == [True, False]


def test_the_addresses_of_one_customer_count_as_one(clock: Any) -> None:
    keeper = ConnectionLimit(clock, per_address=1)
    assert admitted(keeper, "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == [True, False, True]
    assert admitted(keeper, "::ffff:192.0.2.1", "192.0.2.1") == [True, False]


def test_a_unix_socket_counts_among_all_only(clock: Any) -> None:
    keeper = ConnectionLimit(clock, per_address=1, most=3)
    assert admitted(keeper, *[LOCAL] * 4) == [True, True, True, False]


def test_all_together_have_a_number(clock: Any) -> None:
    keeper = ConnectionLimit(clock, most=2)
    assert admitted(keeper, "192.0.2.1", "192.0.2.2", "192.0.2.3") == [True, True, False]
    keeper.leave("192.0.2.1")
    assert admitted(keeper, "192.0.2.3") == [True]


def test_zero_is_no_limit_and_who_left_is_forgotten(clock: Any) -> None:
    keeper = ConnectionLimit(clock)
    addresses = [f"192.0.2.{number % 200}" for number in range(1000)]
    assert all(admitted(keeper, *addresses))
    for address in addresses:
        keeper.leave(address)
    assert keeper._groups == {}


def test_the_log_says_once_a_minute_how_many_were_turned_away(clock: Any) -> None:
    keeper = ConnectionLimit(clock, per_address=1)
    with capturedLogs() as logs:
        admitted(keeper, *["192.0.2.1"] * 100)
        clock.advance(QUIET)
        admitted(keeper, "192.0.2.1")
    assert [event["count"] for event in logs] == [1, 99]
