"""The small things that wait."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from chatroom.common.clock import pause
from chatroom.common.waiting import Waiters, within
from tests.client.stage import Outcome


def test_one_waiter_may_cancel_another_as_it_goes_on() -> None:
    waiters = Waiters()
    first, second = waiters.wait(), waiters.wait()
    first.addCallback(lambda _: second.cancel())
    cancelled = Outcome(second)
    waiters.fire()
    assert (cancelled.times, type(cancelled.error)) == (1, CancelledError)


def test_a_pause_can_be_cut_short() -> None:
    clock = Clock()
    waiting = pause(clock, 5)
    outcome = Outcome(waiting)
    waiting.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert clock.getDelayedCalls() == []


def test_what_ends_in_time_is_left_alone() -> None:
    clock = Clock()
    good: Deferred[int] = Deferred()
    bad: Deferred[int] = Deferred()
    kept = Outcome(within(good, 5, clock, ValueError("late")))
    failed = Outcome(within(bad, 5, clock, ValueError("late")))
    good.callback(1)
    bad.errback(KeyError("why"))
    assert kept.value == 1
    assert isinstance(failed.error, KeyError)
    assert clock.getDelayedCalls() == []


def test_a_canceller_that_still_comes_to_a_result_gives_it() -> None:
    clock = Clock()
    slow: Deferred[int] = Deferred(lambda deferred: deferred.callback(2))
    assert Outcome(within(slow, 5, clock, ValueError("late"))).times == 0
    late: Deferred[int] = Deferred(lambda deferred: deferred.callback(2))
    outcome = Outcome(within(late, 5, clock, ValueError("late")))
    clock.advance(5)
    assert outcome.value == 2
