"""What the user's functions may do: raise, exit, and be coroutine functions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from chatroom.client import NotConnected, State
from chatroom.client.asyncio_bridge import as_task
from chatroom.protocol import messages as wire
from tests.client.stage import Outcome, Stage, a_welcome, to_person, to_room

#: What makes the client call each function.
CALLED_BY: dict[str, Callable[[Stage], object]] = {
    "on_text": lambda stage: stage.say(to_room("hello", "6-0")),
    "on_presence": lambda stage: stage.say(wire.PresenceMes(1, [])),
    "on_gap": lambda stage: stage.say(wire.ErrorMes(410, "gone", rooms={"lobby": "7-0"})),
    "on_mark": lambda stage: stage.say(wire.ReadMes(101, "1-0")),
    "on_state": lambda stage: stage.network.last.cut(),
}
ERRORS = [ValueError, defer.CancelledError, asyncio.CancelledError, GeneratorExit]
EXITS = [SystemExit, KeyboardInterrupt]

in_every_callback = pytest.mark.parametrize("name", CALLED_BY)
either_kind = pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of what is logged as a failure."""
    lines: list[str] = []

    def observe(event: Any) -> None:
        if "log_failure" in event:
            lines.append(formatEvent(event))

    publisher: Any = globalLogPublisher
    publisher.addObserver(observe)
    yield lines
    publisher.removeObserver(observe)


class Reactor(Clock):
    """A clock that can be stopped, as a reactor can."""

    stops = 0

    def callWhenRunning(self, call: Callable[[], object]) -> None:  # noqa: N802  # Twisted's name
        call()

    def stop(self) -> None:
        self.stops += 1


def raised_by(deferred: Deferred[Any]) -> list[BaseException]:
    """What it fails with, which may be no Exception, once it does."""
    raised: list[BaseException] = []

    def failed(failure: Failure) -> None:
        assert failure.value is not None
        raised.append(failure.value)

    deferred.addErrback(failed)
    return raised


class Failing:
    """A stage one of whose callbacks raises ``error`` once `armed`."""

    def __init__(self, name: str, error: BaseException, *, is_async: bool) -> None:
        self.armed = False
        self.calls = 0

        def plain(*_: object) -> None:
            self.calls += self.armed
            if self.armed:
                raise error

        async def coroutine(*_: object) -> None:
            await defer.succeed(None)
            plain()

        self.stage = Stage(**{name: coroutine if is_async else plain})
        self.stage.log_in()
        self.armed = True


@in_every_callback
@either_kind
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_a_callback_is_logged_by_its_name_and_costs_nothing_else(
    name: str, is_async: bool, error: type[BaseException], log: list[str]
) -> None:
    failing = Failing(name, error("oh"), is_async=is_async)
    stage = failing.stage
    CALLED_BY[name](stage)
    assert failing.calls == 1
    kind = "coroutine" if is_async else "plain"
    assert len(log) == 1
    assert log[0].startswith(f"a chat client's {name} (Failing.__init__.<locals>.{kind}) failed")
    failing.armed = False
    if name == "on_state":
        stage.come_back()
    assert len(stage.servers) == (2 if name == "on_state" else 1)
    assert stage.state() is State.ONLINE
    sent = Outcome(stage.client.send("still here"))
    stage.run()
    stage.ack(stage.server.ids()[-1], "9-0")
    assert sent.value is not None


@in_every_callback
@either_kind
@pytest.mark.parametrize("error", EXITS)
def test_an_exit_in_a_callback_closes_the_client_and_reaches_who_waits_for_its_end(
    name: str, is_async: bool, error: type[BaseException], log: list[str]
) -> None:
    raised = error(3)
    failing = Failing(name, raised, is_async=is_async)
    stage = failing.stage
    ended = raised_by(stage.client.when_ended())
    CALLED_BY[name](stage)
    stage.run()
    assert ended == [raised]
    assert failing.calls == 1
    assert stage.client.state is State.CLOSED
    assert stage.network.last.client.gone
    assert raised_by(stage.client.when_ended()) == [raised]
    assert log == []
    stage.run(60)
    assert stage.network.tries == 1


def test_what_a_callback_exits_at_counts_as_shown_and_what_follows_does_not() -> None:
    def on_text(message: Any) -> None:
        heard.append(message.content)
        sys.exit(1)

    heard: list[str] = []
    stage = Stage(on_text=on_text)
    stage.log_in()
    raised_by(stage.client.when_ended())
    stage.say(to_person("!quit", "6-0"), to_person("one more", "7-0"))
    assert heard == ["!quit"]
    assert stage.server.all(wire.ReceivedMes) == [wire.ReceivedMes("6-0")]
    assert stage.client.position.inbox == wire.Seq(6, 0)


def test_where_nobody_waits_for_the_end_an_exit_stops_the_reactor() -> None:
    reactor = Reactor()
    stage = Stage(reactor, on_text=lambda _: sys.exit(1))
    stage.log_in()
    stage.server.send(to_room("hello", "6-0"))
    stage.network.last.client.deliver()
    assert reactor.stops == 0  # what was sent goes out first
    stage.run(0.1)
    assert reactor.stops == 1


def test_who_comes_to_wait_for_the_end_right_behind_an_exit_is_told_of_it() -> None:
    reactor = Reactor()
    stage = Stage(reactor, on_text=lambda _: sys.exit(1))
    stage.log_in()
    stage.say(to_room("hello", "6-0"))
    assert stage.client.state is State.CLOSED
    (raised,) = raised_by(stage.client.when_ended())
    assert isinstance(raised, SystemExit)
    stage.run(1)
    assert reactor.stops == 0


def test_the_end_is_told_when_it_is_wanted_and_when_it_is_not() -> None:
    stage = Stage()
    stage.log_in()
    first = Outcome(stage.client.when_ended())
    closing = Outcome(stage.client.close())
    assert not first.done
    stage.run()
    assert (first.times, first.error, closing.times) == (1, None, 1)
    assert Outcome(stage.client.when_ended()).times == 1

    stage = Stage()
    before = Outcome(stage.client.when_ended())
    stage.log_in()
    stage.network.last.cut()
    stage.come_back()
    assert not before.done
    stage.network.last.cut()
    stage.come_back(wire.LoginResMes(403))  # the token, and then the password
    stage.say(wire.LoginResMes(403, error="wrong password"))
    for ended in (before, Outcome(stage.client.when_ended())):
        assert isinstance(ended.error, NotConnected)
        assert "wrong password" in str(ended.error)


def test_logging_out_is_an_end_and_the_next_login_has_another() -> None:
    stage = Stage()
    stage.log_in()
    Outcome(stage.client.log_out())
    stage.run(2.1)
    assert Outcome(stage.client.when_ended()).times == 1
    stage.log_in()
    ended = Outcome(stage.client.when_ended())
    assert not ended.done
    stage.client.close()
    stage.run()
    assert (ended.times, ended.error) == (1, None)


# ---------------------------------------------------------------- asyncio


def in_a_loop(work: Any) -> Any:
    """What ``work`` gives, run as a task of asyncio's."""

    async def run() -> Any:
        return await as_task(work(), Stage().clock).asFuture(asyncio.get_running_loop())

    return asyncio.run(asyncio.wait_for(run(), 30))


def test_a_coroutine_may_await_deferreds_and_futures_by_turns() -> None:
    async def work() -> list[object]:
        later: Deferred[str] = Deferred()
        asyncio.get_running_loop().call_soon(later.callback, "later")
        got: list[object] = [await later, await defer.succeed("at once")]
        got.append(await asyncio.sleep(0, "asyncio's"))
        got.append(await asyncio.wait_for(asyncio.sleep(0.001, "timed"), 30))
        try:
            await defer.fail(ValueError("of a Deferred"))
        except ValueError as error:
            got.append(str(error))
        failing: Deferred[str] = Deferred()
        asyncio.get_running_loop().call_soon(failing.errback, KeyError("later"))
        try:
            await failing
        except KeyError as error:
            got.append(error.args[0])
        return got

    expected = ["later", "at once", "asyncio's", "timed", "of a Deferred", "later"]
    assert in_a_loop(work) == expected


def test_a_timeout_of_asyncios_cancels_the_deferred_that_is_awaited(log: list[str]) -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0.001):
                await waiting
        except TimeoutError:
            return "timed out"
        return "came"

    cancelled: list[object] = []
    waiting: Deferred[None] = Deferred(cancelled.append)
    assert in_a_loop(work) == "timed out"
    assert cancelled == [waiting]
    assert log == []


def test_cancelling_the_deferred_cancels_the_coroutine() -> None:
    async def work() -> list[BaseException]:
        ended = asyncio.Event()

        async def forever() -> None:
            try:
                await Deferred()
            finally:
                ended.set()

        deferred = as_task(forever(), Stage().clock)
        raised = raised_by(deferred)
        await asyncio.sleep(0)
        deferred.cancel()
        await ended.wait()
        return raised

    assert [type(raised) for raised in in_a_loop(work)] == [defer.CancelledError]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ValueError])
def test_what_a_coroutine_raises_reaches_who_waits_and_not_the_loop(
    error: type[BaseException],
) -> None:
    async def raising() -> None:
        await asyncio.sleep(0)
        raise error

    async def work() -> list[BaseException]:
        over = asyncio.Event()

        def end(_: object) -> None:
            over.set()

        deferred = as_task(raising(), Stage().clock)
        raised = raised_by(deferred)
        deferred.addBoth(end)
        await over.wait()
        return raised

    assert [type(raised) for raised in in_a_loop(work)] == [error]


def test_a_callback_that_asks_asyncio_on_another_reactor_is_told_what_it_needs(
    log: list[str],
) -> None:
    async def on_text(_: object) -> None:
        await asyncio.sleep(1)

    stage = Stage(on_text=on_text)
    stage.log_in(a_welcome())
    stage.say(to_room("hello", "6-0"))
    assert "asyncioreactor.install()" in log[0]
    assert stage.state() is State.ONLINE
