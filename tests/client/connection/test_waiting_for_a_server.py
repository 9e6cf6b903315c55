"""A client that waits for its server, whichever of them is there first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError

from chatroom.client import LoginRefused, NotConnected, State, Timing, Untrusted, connect
from chatroom.client.base.errors import Doubt
from chatroom.protocol import messages as wire
from tests.client.network import REFUSED
from tests.client.stage import Outcome, Stage, a_welcome


@pytest.fixture
def stage() -> Stage:
    return Stage(wait=True, timing=Timing(retry_first=0.2, retry_most=1.0))


def tries_at(stage: Stage, seconds: float) -> list[float]:
    """When the client tries to connect meanwhile."""
    times = []
    for _ in range(round(seconds / 0.01)):
        before = stage.network.tries
        stage.run(0.01)
        if stage.network.tries > before:
            times.append(round(stage.clock.seconds(), 1))
    return times


@pytest.mark.parametrize("error", [REFUSED, DNSLookupError("no"), OSError("no such file")])
def test_the_first_connection_is_tried_until_there_is_a_server(
    stage: Stage, error: Exception
) -> None:
    stage.network.refuse = error
    connected = Outcome(stage.client.connect())
    assert tries_at(stage, 5) == [0.2, 0.6, 1.4, 2.4, 3.4, 4.4]
    assert not connected.done
    assert stage.state() is State.CONNECTING
    assert stage.client.why != "connecting"
    stage.network.refuse = None
    stage.run(1)
    assert (connected.times, connected.error) == (1, None)
    assert stage.states == [State.CONNECTING, State.ONLINE]


def test_a_server_that_hangs_is_tried_again_too(stage: Stage) -> None:
    stage.network.hangs = True
    connected = Outcome(stage.client.connect())
    stage.run(10.1)
    stage.network.hangs = False
    stage.run(1)
    assert (connected.times, connected.error) == (1, None)


@pytest.mark.parametrize(
    "error",
    [Untrusted(Doubt.INVALID, "host:1", "SHA256:x"), NotConnected("TLS failed", final=True)],
)
def test_what_is_final_is_not_waited_for(stage: Stage, error: Exception) -> None:
    stage.network.refuse = error
    assert Outcome(stage.client.connect()).error is error
    stage.run(60)
    assert stage.network.tries == 1
    assert stage.state() is State.OFFLINE


def test_who_stops_waiting_ends_the_tries(stage: Stage) -> None:
    stage.network.refuse = REFUSED
    first, second = stage.client.connect(), stage.client.connect()
    outcomes = [Outcome(first), Outcome(second)]
    stage.run(1)
    first.cancel()
    assert stage.state() is State.CONNECTING
    second.cancel()
    assert [type(outcome.error) for outcome in outcomes] == [CancelledError] * 2
    tries = stage.network.tries
    assert stage.state() is State.OFFLINE
    assert stage.clock.getDelayedCalls() == []
    stage.run(60)
    assert stage.network.tries == tries
    stage.network.refuse = None
    stage.connect()


def test_connecting_that_is_given_up_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.network.refuse = REFUSED
    connecting = Deferred.fromCoroutine(connect(stage.network, reactor=stage.clock, wait=True))
    outcome = Outcome(connecting)
    stage.run(1)
    connecting.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert stage.clock.getDelayedCalls() == []

    stage.network.refuse, stage.network.hangs = None, True
    connecting = Deferred.fromCoroutine(connect(stage.network, reactor=stage.clock))
    outcome = Outcome(connecting)
    connecting.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert stage.clock.getDelayedCalls() == []


def registering(stage: Stage) -> Deferred[None]:
    return stage.client.register(100, "secret", "Ann")


def logging_in(stage: Stage) -> Deferred[Any]:
    return stage.client.log_in(100, "secret")


@pytest.mark.parametrize(
    ("ask", "question", "answer"),
    [
        (registering, wire.RegisterMes, wire.RegisterResMes(200)),
        (logging_in, wire.LoginMes, a_welcome()),
    ],
)
def test_what_accepts_and_hangs_up_is_no_server_yet(
    stage: Stage,
    ask: Callable[[Stage], Deferred[Any]],
    question: type[wire.Message],
    answer: wire.Message,
) -> None:
    # As a proxy does whose server is not there, or a container's port.
    done = Outcome(ask(stage))
    for _ in range(6):
        before = stage.network.tries
        stage.network.last.cut(0, 0)
        stage.network.run()
        assert stage.network.tries == before, "with a pause, or it would be a flood"
        while stage.network.tries == before:
            stage.run(0.05)
    assert not done.done
    stage.run()
    assert isinstance(stage.server.got[0], question)
    stage.say(answer)
    assert (done.times, done.error) == (1, None)


def test_a_login_waits_for_a_server_whose_store_is_away(stage: Stage) -> None:
    login = Outcome(stage.client.log_in(100, "secret"))
    stage.run()
    stage.say(wire.LoginResMes(505, error="the store is out of reach"))
    stage.run(1)
    stage.say(wire.LoginResMes(429, error="wait", retry_after=7))
    asked = len(stage.server.all(wire.LoginMes))
    stage.run(6.9)
    assert len(stage.server.all(wire.LoginMes)) == asked
    stage.run(0.2)
    stage.say(a_welcome())
    assert login.value is not None


@pytest.mark.parametrize("code", [403, 500])
def test_a_login_that_is_refused_for_good_fails_at_once(stage: Stage, code: int) -> None:
    login = Outcome(stage.client.log_in(100, "secret"))
    stage.run()
    stage.say(wire.LoginResMes(code, error="no"))
    assert isinstance(login.error, LoginRefused)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"\0\0\0\5hello"]
)
def test_what_is_no_chatroom_server_fails_at_once(stage: Stage, said: bytes) -> None:
    login = Outcome(stage.client.log_in(100, "secret"))
    stage.run()
    stage.server.write(said)
    stage.run()
    assert isinstance(login.error, NotConnected)
    assert login.error.final
    stage.run(60)
    assert stage.network.tries == 1


def test_who_is_sent_away_fails_at_once(stage: Stage) -> None:
    login = Outcome(stage.client.log_in(100, "secret"))
    stage.run()
    stage.say(wire.ErrorMes(403, "your address is banned", reconnect=False))
    stage.network.last.server.loseConnection()
    stage.run()
    assert isinstance(login.error, NotConnected)
    assert str(login.error) == "your address is banned"
    stage.run(60)
    assert stage.network.tries == 1


def test_closing_ends_a_login_that_waits(stage: Stage) -> None:
    login = Outcome(stage.client.log_in(100, "secret"))
    stage.run()
    stage.say(wire.LoginResMes(429, error="wait", retry_after=3600))
    Outcome(stage.client.close())
    stage.run()
    assert isinstance(login.error, NotConnected)
    assert stage.clock.getDelayedCalls() == []


def test_a_login_that_waits_can_be_cancelled(stage: Stage) -> None:
    stage.network.refuse = REFUSED
    for seconds in (0, 1):
        login = stage.client.log_in(100, "secret")
        outcome = Outcome(login)
        stage.run(seconds)
        login.cancel()
        assert isinstance(outcome.error, CancelledError)
        assert stage.clock.getDelayedCalls() == []
    assert stage.state() is State.OFFLINE
