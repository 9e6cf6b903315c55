"""The machine's clock is set while people talk: nobody notices, but by the times that are shown.

Real processes, with `WallClock` between them and the time. What waits is quicker here than it is,
so that some of each goes by.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatroom.protocol import messages as wire
from tests.doubles.valkey import Valkey
from tests.ports import own_port
from tests.system.console import Pipe
from tests.system.lab import TAC, TWISTD, Lab, Server, environment, own_valkey, until
from tests.system.wall_clock import WallClock, compiled
from tests.wire import PASSWORD, WireClient

#: What runs instead of ``chatroom.tac``: the same with shorter waits.
QUICK = f"""
import os
from chatroom.node import housekeeping
from chatroom.sessions import session
from chatroom.store.redis import bus
def wait(module, **seconds):
    assert seconds.keys() <= vars(module).keys(), "waits under another name by now"
    vars(module).update(seconds)
wait(bus, NODE_LIFETIME=2, HEARTBEAT=0.4, BLOCK=1)
wait(session, PING_AFTER=0.3, SILENCE=float(os.environ["SILENCE"]))
wait(housekeeping, INTERVAL=0.1)
exec(open({str(TAC)!r}).read())
"""
#: So many of the server's pings, one after another, take longer than `NODE_LIFETIME`.
PINGS = 7
#: Seconds that anything may take: only what never comes takes as long. Less than any of `STEPS`, as
#: the times that are shown are held against it.
ENOUGH = 100

#: How far ahead the clock is set, one after the other: on, and then back.
STEPS = (120.0, -3600.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> Iterator[WallClock]:
    clock = WallClock(library, tmp_path / "clock")
    yield clock
    clock.close()


class Stage:
    """A room with a clock that is set.

    :param whose: whose clock it is: "all", the server's and its private store's; "server" and
        "store", one of the two, on a store of the test's own.
    """

    def __init__(
        self, lab: Lab, stack: ExitStack, clock: WallClock, binary: Path, whose: str
    ) -> None:
        self.lab = lab
        self.clock = clock
        self._stack = stack
        self._whose = whose
        self._valkey: Valkey | None = None
        if whose != "all":
            preload = clock.environment if whose == "store" else {}
            with pytest.MonkeyPatch.context() as patch:
                for name, value in preload.items():
                    patch.setenv(name, value)
                self._valkey = stack.enter_context(own_valkey(binary))
        self._tac = lab.folder / "quick.tac"
        self._tac.write_text(QUICK)

    @property
    def store_offset_is_set(self) -> bool:
        return self._whose != "server"

    def server(
        self,
        name: str = "one",
        *,
        moves: bool = True,
        port: int = 0,
        silence: int = 30,
        login_timeout: int = 60,
    ) -> Server:
        """A server whose clock is set, if it is servers' that are.

        :param silence: seconds after which who says nothing is thrown out.
        """
        data = self.lab.folder / name
        settings = {
            "CHATROOM_LISTEN": f"tcp:{port}:interface=127.0.0.1",
            "CHATROOM_DATA": str(data),
            "CHATROOM_ARGON2": "1,8,1",
            "CHATROOM_LOGIN_TIMEOUT": str(login_timeout),
            "SILENCE": str(silence),
            "CHATROOM_MESSAGE_RATE": "0",
            "CHATROOM_MAX_PER_ADDRESS": "0",
            "CHATROOM_NODE": name,
        }
        if self._valkey is not None:
            settings["CHATROOM_REDIS"] = f"unix://{self._valkey.socket}"
        if self._whose != "store" and moves:
            settings |= self.clock.environment
        command = [TWISTD, "-n", "--pidfile=", "-y", str(self._tac)]
        return self.lab.foreground(command, data, **settings)

    def enters(self, server: Server, user_id: int) -> WireClient:
        return self._stack.enter_context(server.client()).enter(user_id)


@pytest.fixture
def stage(
    lab: Lab, clock: WallClock, valkey_binary: Path, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(lab, stack, clock, valkey_binary, request.param)


def whose(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stage", names, indirect=True)


def answers_pings(*clients: WireClient) -> None:
    """All are pinged many times, and say that they are there."""
    for _ in range(PINGS):
        for client in clients:
            # First: a ping that came before, and was passed over, is not followed by another.
            client.send(wire.PongMes())
            client.expect(wire.PingMes, ENOUGH)


def is_held_to_be_here(sender: WireClient, user_id: int) -> None:
    """Wait until the store knows a node that holds the user, so that what is sent is not kept.

    Not at once: where everything is slow, a node may not have been heard of for so short a time as
    it lives here.
    """
    until(lambda: sender.tell(user_id, "here?").code == wire.Code.OK, ENOUGH, "it is held for away")


def hears_of(client: WireClient, user_id: int, status: wire.Status) -> None:
    """Wait until a client is told that somebody came or went."""
    while True:
        told = client.expect(wire.PresenceMes, ENOUGH)
        if (user_id, status) in {(one.user_id, one.user_status) for one in told.changes}:
            return


@whose("all", "server", "store")
def test_a_server_goes_on_when_the_clock_is_set(stage: Stage) -> None:
    # As long as a busy machine may take for a login.
    server = stage.server(login_timeout=5)
    ann, ben = stage.enters(server, 1), stage.enters(server, 2)
    is_held_to_be_here(ann, 2)
    ben.is_told("here?", ENOUGH)
    with server.client() as guest:
        for step in STEPS:
            stage.clock.set(step)
            goes_on(stage, server, ann, ben, step)
        # Who does not log in is not waited for.
        said = guest.expect_end(ENOUGH)
        assert isinstance(said[-1], wire.ErrorMes)
        assert said[-1].code == wire.Code.CLOSED


def goes_on(stage: Stage, server: Server, ann: WireClient, ben: WireClient, step: float) -> None:
    # Nobody is thrown out, everybody is looked after, and the node lives for others ...
    answers_pings(ann, ben)
    # ... so that who is here gets what is for them,
    is_held_to_be_here(ann, 2)
    ann.tell(2, f"after {step}")
    ben.is_told(f"after {step}", ENOUGH)
    assert ben.say(f"to all {step}").code == wire.Code.OK
    heard = ann.hears(f"to all {step}", ENOUGH)
    # which is shown with the time that it is now, by the store's clock,
    assert isinstance(heard.sent_at, int)
    expected = stage.clock.now if stage.store_offset_is_set else stage.clock.now - step
    assert abs(heard.sent_at / 1000 - expected) < ENOUGH
    # and who comes and goes is told.
    cat = stage.enters(server, 3)
    hears_of(ann, 3, wire.Status.ONLINE)
    cat.close()
    hears_of(ann, 3, wire.Status.OFFLINE)


@whose("all")
def test_what_was_said_reaches_the_disk_when_the_clock_is_set_back(stage: Stage) -> None:
    server = stage.server()
    ann = stage.enters(server, 1)
    stage.clock.set(-3600)

    def is_synced_after(before: int) -> None:
        until(lambda: stage.clock.syncs > before, ENOUGH, "nothing is synced")

    for number in range(3):
        before = stage.clock.syncs
        assert ann.say(f"text {number}").code == wire.Code.OK
        is_synced_after(before)


@whose("all")
def test_who_is_silent_is_still_found_when_the_clock_is_set(stage: Stage) -> None:
    server = stage.server(silence=3)
    for step in STEPS:
        ann = stage.enters(server, 1)
        stage.clock.set(step)
        said = ann.expect_end(ENOUGH)
        assert [one.code for one in said if isinstance(one, wire.ErrorMes)] == [wire.Code.CLOSED]
        assert wire.PingMes() in said


@whose("server", "store")
def test_a_node_whose_clock_differs_stays_among_the_others(stage: Stage) -> None:
    here, there = stage.server("one"), stage.server("two", moves=False)
    ann, ben = stage.enters(here, 1), stage.enters(there, 2)
    hears_of(ann, 2, wire.Status.ONLINE)
    told = []
    for step in STEPS:
        at_once, later = f"at once {step}", f"later {step}"
        stage.clock.set(step)
        # With the store's clock ahead all nodes count as dead until their next heartbeat. What is
        # sent just then waits, and is made up for.
        ben.tell(1, at_once)
        ann.is_told(at_once, ENOUGH)
        answers_pings(ann, ben)
        is_held_to_be_here(ann, 2)
        is_held_to_be_here(ben, 1)
        ben.tell(1, later)
        ann.is_told(later, ENOUGH)
        until(
            lambda: ann.online().keys() == ben.online().keys() == {1, 2}, ENOUGH, "one is missing"
        )
        told += [at_once, later]
    texts = [one.content for one in ann.got if isinstance(one, wire.PrivateMes)]
    assert [text for text in texts if text != "here?"] == told


# ---------------------------------------------------------------- the client

#: A bot as a person would write it; it says what becomes of it.
BOT = """
import sys
if "asyncio" in sys.argv:
    from twisted.internet import asyncioreactor
    asyncioreactor.install()
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from chatroom.client import Timing, connect

def say(*words):
    print(*words, flush=True)

async def main(reactor, server, *_):
    bot = await connect(
        server,
        reactor=reactor,
        timing=Timing(retry_most=1),
        on_text=lambda message: say("heard", message.content),
        on_state=lambda state: say("now", state.value),
    )
    await bot.log_in(1, sys.argv[2])
    say("the host's clock says", reactor.seconds())
    # So that the reactor's turns go on, as in any program that does something.
    LoopingCall(say, "tick").start(0.05)
    await Deferred()

react(main, [sys.argv[1]])
"""


class Bot:
    """`BOT`, under the clock that is set."""

    def __init__(self, stage: Stage, port: int, reactor: str) -> None:
        program = stage.lab.folder / "bot.py"
        program.write_text(BOT)
        self._output, self._errors = stage.lab.folder / "bot.out", stage.lab.folder / "bot.err"
        command = [sys.executable, str(program), f"127.0.0.1:{port}", PASSWORD, reactor]
        env = {**environment(), **stage.clock.environment}
        stage.lab.start(command, self._output, self._errors, env)

    def said(self) -> list[str]:
        return self._output.read_text().splitlines()

    def says(self, line: str, times: int = 1) -> None:
        """Wait until it has said something so often."""
        until(lambda: self.said().count(line) >= times, ENOUGH, f"no {line!r}: {self.errors()}")

    def goes_on(self) -> None:
        """Wait for some turns of its reactor."""
        self.says("tick", self.said().count("tick") + 3)

    def errors(self) -> str:
        return self._errors.read_text()


@pytest.fixture(params=["default", "asyncio"])
def reactor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@whose("all")
def test_a_bot_comes_back_when_the_clock_is_set_back_meanwhile(stage: Stage, reactor: str) -> None:
    port = own_port()
    server = stage.server(moves=False, port=port)
    stage.enters(server, 1).close()
    bot = Bot(stage, port, reactor)
    bot.goes_on()
    [hosts] = [float(line.split()[-1]) for line in bot.said() if "host's clock" in line]
    # The library has not touched what is not its own.
    assert abs(hosts - stage.clock.now) < ENOUGH
    server.kill()
    bot.says("now reconnecting")
    # It waits for its next try now.
    stage.clock.set(-3600)
    again = stage.server(moves=False, port=port)
    bot.says("now online", 2)
    assert stage.enters(again, 2).tell(1, "hello").code == wire.Code.OK
    bot.says("heard hello")


@whose("all")
def test_a_bot_stays_when_the_clock_is_set_ahead(stage: Stage, reactor: str) -> None:
    server = stage.server(moves=False)
    ann = stage.enters(server, 2)
    stage.enters(server, 1).close()
    bot = Bot(stage, server.port, reactor)
    bot.goes_on()
    stage.clock.set(3600)
    bot.goes_on()
    is_held_to_be_here(ann, 1)
    bot.says("heard here?")
    bot.goes_on()
    assert [line for line in bot.said() if line.startswith("now ")] == [
        *("now connecting", "now online"),
    ]


@whose("all")
def test_the_menus_come_back_when_the_clock_is_set_back_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = own_port()
    server = stage.server(moves=False, port=port)
    stage.enters(server, 1).close()
    with monkeypatch.context() as patch:
        for name, value in stage.clock.environment.items():
            patch.setenv(name, value)
        menus = Pipe(server.port)
    with menus:
        menus.type("1", "1", PASSWORD)
        menus.sees("you are logged in", ENOUGH)
        server.kill()
        menus.sees("Connection lost", ENOUGH)
        # They wait for their next try now.
        stage.clock.set(-3600)
        again = stage.server(moves=False, port=port)
        menus.sees("Connected again", ENOUGH)
        assert stage.enters(again, 2).tell(1, "hello").code == wire.Code.OK
        menus.sees("hello", ENOUGH)
        menus.type("4")
        assert menus.ends(ENOUGH) == 0
