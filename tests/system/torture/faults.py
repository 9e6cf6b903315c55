"""The faults: what is done to the service, for how long, and when its cause is gone.

Two of them may be under way at a time: none takes for granted that what it breaks is well.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.threads import deferToThread

from tests.doubles.valkey import ask
from tests.system.torture.people import PASSWORD
from tests.system.torture.reader import Reader, Refused
from tests.system.torture.talker import Talker, tried

if TYPE_CHECKING:
    from tests.system.torture.act import Act
    from tests.system.torture.proxy import Proxy


class Need(Enum):
    """What the stage has to have."""

    #: A Redis behind a proxy, in place of the private store.
    REDIS = "redis"
    #: The data, the Redis' too, are on a disk that can be filled.
    SMALL_DISK = "small disk"
    #: Each sync to the disk takes most of a second.
    SLOW_DISK = "slow disk"


@dataclass(frozen=True)
class Fault:
    """One way to break the service.

    ``run`` does it, and returns when the cause is gone.
    """

    name: str
    run: Callable[[Act], Awaitable[None]]
    needs: frozenset[Need] = frozenset()
    #: More options for the server.
    options: str = ""


def _restart_server(after: float) -> Callable[[Act], Awaitable[None]]:
    async def run(act: Act) -> None:
        act.service.server.take_down()
        await act.sleep(after)
        act.service.server.bring_up()

    return run


async def _nothing(act: Act) -> None:
    await act.sleep(act.length(2))


async def _kill_store(act: Act) -> None:
    act.service.store.kill()


async def _kill_store_repeatedly(act: Act) -> None:
    for _ in range(3):
        act.service.store.kill()
        await act.sleep(act.length(1.5))
    act.service.store.kill()


def _kill_both(after: float) -> Callable[[Act], Awaitable[None]]:
    async def run(act: Act) -> None:
        # The store first: the server must not have the time to start another one.
        act.service.server.signal(signal.SIGSTOP)
        act.service.store.take_down()
        act.service.server.take_down()
        await act.sleep(after)
        act.service.store.bring_up()
        act.service.server.bring_up()

    return run


async def _freeze_store(act: Act) -> None:
    act.service.store.freeze()
    await act.sleep(act.length(10))
    act.service.store.thaw()


async def _freeze_server(act: Act) -> None:
    act.service.server.freeze()
    await act.sleep(act.length(10))
    act.service.server.thaw()


async def _freeze_server_past_its_lifetime(act: Act) -> None:
    # So long that the store takes the node for dead.
    act.service.server.freeze()
    await act.sleep(17)
    act.service.server.thaw()


#: What every content has, and nothing else that is asked for.
_IN_CONTENTS = b"#"


async def _cut_clients(act: Act) -> None:
    await _cut(act, act.service.front, act.service.front.cut_all, times=act.length(10))


async def _cut_clients_before_their_answer(act: Act) -> None:
    def cut() -> None:
        act.service.front.cut_before_reply(_IN_CONTENTS)

    await _cut(act, act.service.front, cut, times=act.length(20))


async def _cut_store_before_its_reply(act: Act) -> None:
    def cut() -> None:
        act.service.back.cut_before_reply(_IN_CONTENTS)

    await _cut(act, act.service.back, cut, times=act.length(20))


async def _cut(act: Act, proxy: Proxy, cut: Callable[[], None], times: float) -> None:
    """Cut connections again and again, until as many are cut as is right.

    Where too few connections are made it ends in the end: something else is broken, too.
    """
    goal, end = proxy.cuts + int(2 * times), time.monotonic() + 3 * times
    for _ in range(int(times)):
        cut()
        await act.sleep(0.4)
    while proxy.cuts < goal and time.monotonic() < end:
        cut()
        await act.sleep(0.4)


async def _vanish(act: Act) -> None:
    # First those who came last, among them the one who keeps no place, then the others.
    for share in (0.5, 1.0):
        await act.until(lambda: act.forgetful.online, 10)
        act.service.front.swallow_last(share)
        await act.whisper_to_forgetful()
        await act.sleep(act.length(3))


async def _slow_readers(act: Act) -> None:
    """One that never reads, and one that reads a byte a second: they are cut off, others not."""
    seconds = act.length(6)
    never = deferToThread(tried, partial(_greedy_reader, act.service.server.port, 0, seconds))
    await deferToThread(tried, partial(_greedy_reader, act.service.server.port, 1, seconds))
    await never


def _greedy_reader(port: int, reads: int, seconds: float) -> None:
    """A member that asks for everything again and again and takes so many bytes a second.

    :raises OSError: it was cut off, as it should be, or something else is broken, too.
    """
    reader = Reader(port, patience=seconds)
    try:
        reader.register(901 + reads, PASSWORD)
        reader.log_in(901 + reads, PASSWORD)
        reader.read_slowly(reads, seconds)
    finally:
        reader.close()


async def _store_is_full(act: Act) -> None:
    await _full(act, act.length(4))


async def _full(act: Act, seconds: float) -> None:
    """The store may take nothing more, and nor may one that is started in its place."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await deferToThread(_set_maxmemory, act, "1")
        await act.sleep(0.2)
    # Until it is said, the cause is not gone.
    end = time.monotonic() + 60
    while not await deferToThread(_set_maxmemory, act, "0") and time.monotonic() < end:
        await act.sleep(0.1)


def _set_maxmemory(act: Act, size: str) -> bool:
    try:
        return ask(act.service.store.socket, "CONFIG", "SET", "maxmemory", size) == b"+OK\r\n"
    except OSError:
        return False


async def _disk_is_full(act: Act) -> None:
    ballast = act.service.ballast()
    end = time.monotonic() + act.length(5)
    while time.monotonic() < end:
        ballast.grow()
        await act.sleep(0.05)
    ballast.drop()


def _talk_until_refused(crowd: Talker) -> None:
    """Say much, until something is refused, or not answered any more."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            crowd.burst(size=1500, most=2000, patience=5)
        except (Refused, TimeoutError):
            return
        except OSError:
            # The server is not there: something else is broken, too.
            time.sleep(0.1)


async def _disk_is_full_then_both_killed(act: Act) -> None:
    """The last messages that find room, the first that do not, and then the end."""
    ballast = act.service.ballast(left=act.random.choice((100, 400, 1000)) * 1024)
    ballast.grow()
    await deferToThread(_talk_until_refused, act.crowd)
    await _kill_both(1)(act)
    ballast.drop()


async def _mixed(act: Act) -> None:
    """Several of them, one behind the other and some at once."""
    choices = [
        _cut_clients_once,
        _kill_store,
        _freeze_store_briefly,
        _freeze_server_briefly,
        _restart_server(0),
        _restart_server(1),
        _kill_both(0.5),
        _vanish_once,
        _full_briefly,
    ]
    for _ in range(int(act.length(6))):
        await act.random.choice(choices)(act)
        act.service.front.cut_all()
        await act.sleep(0.5 + act.random.random() * 1.5)


async def _cut_clients_once(act: Act) -> None:
    act.service.front.cut_all()


async def _vanish_once(act: Act) -> None:
    act.service.front.swallow_last(0.3)


async def _freeze_store_briefly(act: Act) -> None:
    act.service.store.freeze()
    await act.sleep(1.5)
    act.service.store.thaw()


async def _freeze_server_briefly(act: Act) -> None:
    act.service.server.freeze()
    await act.sleep(1.5)
    act.service.server.thaw()


async def _full_briefly(act: Act) -> None:
    await _full(act, 1)


_ON_SMALL_DISK = frozenset({Need.SMALL_DISK})

FAULTS = (
    Fault("none", _nothing),
    Fault("server killed", _restart_server(0)),
    Fault("server killed, back after 5 s", _restart_server(5)),
    Fault("store killed", _kill_store),
    Fault("store killed four times", _kill_store_repeatedly),
    Fault("store killed, disk slow", _kill_store_repeatedly, frozenset({Need.SLOW_DISK})),
    Fault("both killed", _kill_both(0)),
    Fault("both killed, back after 5 s", _kill_both(5)),
    Fault("store frozen", _freeze_store),
    Fault("server frozen", _freeze_server),
    Fault("server frozen 17 s", _freeze_server_past_its_lifetime),
    Fault("clients cut at a random byte", _cut_clients),
    Fault("clients cut inside the reply", _cut_clients_before_their_answer),
    Fault("store cut before its reply", _cut_store_before_its_reply, frozenset({Need.REDIS})),
    Fault("clients vanish without FIN", _vanish),
    Fault("clients that do not read", _slow_readers, options="--send-queue=16384"),
    Fault("store full (maxmemory)", _store_is_full),
    Fault("disk full", _disk_is_full, _ON_SMALL_DISK),
    Fault("disk full, then both killed", _disk_is_full_then_both_killed, _ON_SMALL_DISK),
    Fault("mixed", _mixed),
)
#: Quick enough for every run of the tests, and between them all parts of the service.
SHORT = (
    "both killed",
    "store killed, disk slow",
    "clients cut at a random byte",
    "clients cut inside the reply",
    "store cut before its reply",
)
