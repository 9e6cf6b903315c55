"""Durations do not depend on what the machine's clock is set to."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as running
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock

from chatroom.client.base.monotonic_timers import SteadyClock, steady
from chatroom.common.clock import keep_time, pause, runs_by_wall_clock

HOUR = 3600.0


class SetClock:
    """What a function of ``time`` says, in a test that sets it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    clock = SetClock(1_800_000_000.0)
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def reactor(wall: SetClock) -> Any:
    made: Any = SelectReactor()
    made.seconds = wall
    return made


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    clock = SetClock(5000.0)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
def test_a_timer_of_a_reactor_of_ours_outlives_a_set_clock(
    reactor: Any, wall: SetClock, monotonic: SetClock, step: float
) -> None:
    done: list[str] = []
    keep_time(reactor)
    reactor.callLater(10, done.append, "ten")
    wall.now += step
    assert reactor.timeout() == 10
    reactor.runUntilCurrent()
    assert done == []
    monotonic.now += 10
    reactor.runUntilCurrent()
    assert done == ["ten"]


def test_what_was_scheduled_before_is_due_when_it_would_have_been(
    reactor: Any, wall: SetClock, monotonic: SetClock
) -> None:
    done: list[str] = []
    reactor.callLater(10, done.append, "ten")
    later = reactor.callLater(5, done.append, "twenty")
    later.reset(20)
    reactor.timeout()  # takes these in; the next one is still apart
    reactor.callLater(5, done.append, "five")
    reactor.callLater(7, done.append, "never").cancel()
    wall.now += 2
    keep_time(reactor)
    wall.now -= HOUR
    for passed in (2.5, 1.0, 5.0, 9.0, 1.0):
        monotonic.now += passed
        reactor.runUntilCurrent()
        done.append(f"after {passed:g}")
    assert done == [
        *("after 2.5", "five", "after 1", "ten", "after 5"),
        *("after 9", "twenty", "after 1"),
    ]


def test_a_timer_from_before_can_still_be_put_off(
    reactor: Any, wall: SetClock, monotonic: SetClock
) -> None:
    done: list[str] = []
    timer = reactor.callLater(10, done.append, "later")
    keep_time(reactor)
    timer.reset(30)
    monotonic.now += 29
    reactor.runUntilCurrent()
    assert done == []
    monotonic.now += 1
    reactor.runUntilCurrent()
    assert done == ["later"]


def test_a_reactor_is_changed_once_and_a_tests_clock_never(reactor: Any) -> None:
    keep_time(reactor)
    assert not runs_by_wall_clock(reactor)
    keep_time(reactor)
    clock = Clock()
    keep_time(clock)
    assert clock.seconds() == 0
    assert steady(clock) is clock


# ---- the library's own, on a reactor that is somebody else's


def test_the_hosts_reactor_keeps_its_time_and_all_clients_share_one_clock() -> None:
    reactor: Any = SelectReactor()
    clock = steady(reactor)
    assert isinstance(clock, SteadyClock)
    assert steady(reactor) is clock
    assert reactor.seconds is time.time


def test_a_reactor_that_keeps_time_itself_is_taken_as_it_is(reactor: Any) -> None:
    keep_time(reactor)
    assert steady(reactor) is reactor


@pytest.fixture
def clock() -> SteadyClock:
    # Not by `steady`: other tests may have let this reactor keep time itself.
    return SteadyClock(running)


@ensureDeferred
async def test_timers_run_in_their_order(clock: SteadyClock) -> None:
    done: list[int] = []
    due = {
        number: clock.callLater(number / 100, done.append, number).getTime() for number in (3, 1, 2)
    }
    clock.callLater(0.015, done.append, -1).cancel()
    await pause(clock, 0.04)
    # On a busy machine so much time can pass between two of them that the third is due before.
    assert done == sorted(due, key=due.__getitem__)


@ensureDeferred
async def test_a_timer_can_be_moved_both_ways(clock: SteadyClock) -> None:
    done: list[str] = []
    sooner: Any = clock.callLater(HOUR, done.append, "sooner")
    later: Any = clock.callLater(0.001, done.append, "later")
    sooner.reset(0.01)
    later.reset(0.02)
    await pause(clock, 0.03)
    assert done == ["sooner", "later"]
    assert not sooner.active()
    assert not later.active()


@ensureDeferred
async def test_what_a_timer_raises_stops_no_other(
    clock: SteadyClock,
) -> None:
    waited: Deferred[None] = Deferred()
    clock.callLater(0.001, _raise)
    clock.callLater(0.001, waited.callback, None)
    await waited


def _raise() -> None:
    raise RuntimeError("a fault of the one who set the timer")
