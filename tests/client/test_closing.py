"""Closing: in order, given up halfway, and again."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError, TimeoutError  # noqa: A004 - Twisted's
from twisted.internet.interfaces import IReactorTime

from chatroom.client import NotConnected, State
from tests.client.network import REFUSED
from tests.client.stage import Outcome, Stage


def assert_gone(stage: Stage) -> None:
    """It is closed for good, and nothing is left of it."""
    stage.run()
    assert stage.client.state is State.CLOSED
    assert all(connection.client.gone for connection in stage.network.connections)
    assert Outcome(stage.client.close()).times == 1
    assert stage.clock.getDelayedCalls() == []


def test_closing_that_is_cancelled_while_something_is_under_way_is_done_at_once(
    stage: Stage,
) -> None:
    sent = Outcome(stage.client.send("not acknowledged"))
    stage.run()
    closing = stage.client.close()
    closed = Outcome(closing)
    closing.cancel()
    assert isinstance(closed.error, CancelledError)
    assert isinstance(sent.error, NotConnected)
    assert_gone(stage)


def test_closing_that_takes_too_long_for_its_caller_is_done_at_once(stage: Stage) -> None:
    Outcome(stage.client.send("not acknowledged"))
    closing = stage.client.close().addTimeout(1, cast(IReactorTime, stage.clock))
    closed = Outcome(closing)
    stage.run(1.1)
    assert isinstance(closed.error, TimeoutError)
    assert_gone(stage)


def test_closing_that_is_cancelled_during_the_goodbye_breaks_the_connection(stage: Stage) -> None:
    closing = stage.client.close(timeout=0)
    closed = Outcome(closing)
    stage.clock.advance(0)
    assert stage.client.state is State.CLOSED
    assert not closed.done
    closing.cancel()
    assert isinstance(closed.error, CancelledError)
    assert stage.network.last.client.aborted
    assert_gone(stage)


def test_closing_again_waits_until_the_connection_is_gone(stage: Stage) -> None:
    first = Outcome(stage.client.close(timeout=0))
    stage.clock.advance(0)
    assert stage.client.state is State.CLOSED
    again = Outcome(stage.client.close())
    assert not first.done
    assert not again.done
    stage.network.run()
    assert (first.times, again.times) == (1, 1)


def test_closing_right_behind_a_logout_waits_for_that_connection(stage: Stage) -> None:
    left = Outcome(stage.client.log_out())
    closed = Outcome(stage.client.close())
    stage.run()
    assert not closed.done
    stage.run(2.1)
    assert (left.times, closed.times) == (1, 1)
    assert_gone(stage)


def test_a_logout_that_ends_while_the_client_is_closing_takes_nothing_new_on(stage: Stage) -> None:
    Outcome(stage.client.send("not acknowledged"))
    leaving = stage.client.log_out()
    left = Outcome(leaving)
    closed = Outcome(stage.client.close(timeout=60))
    leaving.cancel()
    assert left.done
    assert isinstance(Outcome(stage.client.send("more")).error, NotConnected)
    assert not closed.done


def test_a_logout_that_is_given_up_leaves_the_login_as_it_was(stage: Stage) -> None:
    Outcome(stage.client.send("not acknowledged"))
    leaving = stage.client.log_out()
    Outcome(leaving)
    leaving.cancel()
    sent = Outcome(stage.client.send("more"))
    stage.run()
    stage.ack(stage.server.ids()[1], "6-0")
    assert sent.value is not None


@pytest.mark.parametrize("when", ["before", "connecting", "reconnecting"])
def test_closing_can_be_given_up_in_any_state(when: str) -> None:
    stage = Stage()
    if when == "reconnecting":
        stage.log_in()
        stage.network.refuse = REFUSED
        Outcome(stage.client.send("waits"))
        stage.network.last.cut()
    elif when == "connecting":
        stage.network.hangs = True
        Outcome(stage.client.connect())
    closing: Any = stage.client.close()
    Outcome(closing)
    closing.cancel()
    assert_gone(stage)
