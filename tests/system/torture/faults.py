"""The faults: what is done to the service, for how long, and when its cause is gone."""

from __future__ import annotations

import signal
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.torture.act import Act


@dataclass(frozen=True)
class Fault:
    """One way to break the service.

    ``run`` does it, and returns when the cause is gone.
    """

    name: str
    run: Callable[[Act], Awaitable[None]]
    #: How the stage is set: a "private" store, a "redis" behind a proxy, a "small disk", or a
    #: "slow disk".
    stage: str = "private"
    #: More options for the server.
    options: str = ""


def _restart_server(after: float) -> Callable[[Act], Awaitable[None]]:
    async def run(act: Act) -> None:
        act.server.kill()
        await act.sleep(after)
        act.server.start(wait=False)

    return run


async def _nothing(act: Act) -> None:
    await act.sleep(act.length(2))


async def _kill_store(act: Act) -> None:
    act.server.kill_store()


async def _kill_store_repeatedly(act: Act) -> None:
    for _ in range(3):
        act.server.kill_store()
        await act.sleep(act.length(1.5))
    act.server.kill_store()


def _kill_both(after: float) -> Callable[[Act], Awaitable[None]]:
    async def run(act: Act) -> None:
        # The store first: the server must not have the time to start another one.
        act.server.signal(signal.SIGSTOP)
        act.server.kill_store()
        act.server.kill()
        await act.sleep(after)
        act.server.start(wait=False)

    return run


async def _freeze_store(act: Act) -> None:
    act.server.signal_store(signal.SIGSTOP)
    await act.sleep(act.length(10))
    act.server.signal_store(signal.SIGCONT)


async def _freeze_server(act: Act) -> None:
    act.server.signal(signal.SIGSTOP)
    await act.sleep(act.length(10))
    act.server.signal(signal.SIGCONT)


async def _freeze_server_past_its_lifetime(act: Act) -> None:
    # So long that the store takes the node for dead.
    act.server.signal(signal.SIGSTOP)
    await act.sleep(17)
    act.server.signal(signal.SIGCONT)


async def _cut_clients(act: Act) -> None:
    for _ in range(int(act.length(10))):
        act.front.cut_all()
        await act.sleep(0.4)


#: What every content has, and nothing else that is asked for.
_IN_CONTENTS = b"#"


async def _cut_clients_before_their_answer(act: Act) -> None:
    for _ in range(int(act.length(20))):
        act.front.cut_before_reply(_IN_CONTENTS)
        await act.sleep(0.5)


async def _cut_store_before_its_reply(act: Act) -> None:
    for _ in range(int(act.length(20))):
        assert act.back is not None
        act.back.cut_before_reply(_IN_CONTENTS)
        await act.sleep(0.4)


async def _vanish(act: Act) -> None:
    # First those who came last, among them the one who keeps no place, then the others.
    for share in (0.5, 1.0):
        act.front.swallow_last(share)
        await act.whisper_to_forgetful()
        await act.sleep(act.length(3))


async def _slow_readers(act: Act) -> None:
    """One that never reads, and one that reads a byte a second: they are cut off, others not."""
    never, slowly = _greedy_reader(act, 901), _greedy_reader(act, 902)
    try:
        for _ in range(int(act.length(6))):
            await act.sleep(1)
            slowly.settimeout(0.01)
            try:
                slowly.recv(1)
            except OSError:
                continue
    finally:
        never.close()
        slowly.close()


def _greedy_reader(act: Act, user: int) -> socket.socket:
    """A member that asks for everything again and again and takes nothing."""
    from tests.system.torture.reader import Reader

    reader = Reader(act.server.port)
    reader.register(user, "123456")
    reader.log_in(user, "123456")
    connection = reader._socket  # from here on not read any more
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(50):
        body = b'{"type":"HistoryMes","data":"{\\"limit\\":200}"}'
        connection.sendall(struct.pack("!I", len(body)) + body)
    return connection


async def _store_is_full(act: Act) -> None:
    act.server.command_store("CONFIG", "SET", "maxmemory", "1")
    await act.sleep(act.length(4))
    act.server.command_store("CONFIG", "SET", "maxmemory", "0")


async def _disk_is_full(act: Act) -> None:
    ballast = act.server.folder / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    await act.sleep(act.length(5))
    ballast.unlink()


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
        act.front.cut_all()
        await act.sleep(0.5 + act.random.random() * 1.5)


async def _cut_clients_once(act: Act) -> None:
    act.front.cut_all()


async def _vanish_once(act: Act) -> None:
    act.front.swallow_last(0.3)


async def _freeze_store_briefly(act: Act) -> None:
    act.server.signal_store(signal.SIGSTOP)
    await act.sleep(1.5)
    act.server.signal_store(signal.SIGCONT)


async def _freeze_server_briefly(act: Act) -> None:
    act.server.signal(signal.SIGSTOP)
    await act.sleep(1.5)
    act.server.signal(signal.SIGCONT)


async def _full_briefly(act: Act) -> None:
    try:
        act.server.command_store("CONFIG", "SET", "maxmemory", "1")
        await act.sleep(1)
        act.server.command_store("CONFIG", "SET", "maxmemory", "0")
    except OSError:
        # The store is not there: that is fault enough.
        await act.sleep(0.1)


FAULTS = (
    Fault("none", _nothing),
    Fault("server killed", _restart_server(0)),
    Fault("server killed, back after 5 s", _restart_server(5)),
    Fault("store killed", _kill_store),
    Fault("store killed four times", _kill_store_repeatedly),
    Fault("store killed, disk slow", _kill_store_repeatedly, stage="slow disk"),
    Fault("both killed", _kill_both(0)),
    Fault("both killed, back after 5 s", _kill_both(5)),
    Fault("store frozen", _freeze_store),
    Fault("server frozen", _freeze_server),
    Fault("server frozen 17 s", _freeze_server_past_its_lifetime),
    Fault("clients cut at a random byte", _cut_clients),
    Fault("clients cut inside the reply", _cut_clients_before_their_answer),
    Fault("store cut before its reply", _cut_store_before_its_reply, stage="redis"),
    Fault("clients vanish without FIN", _vanish),
    Fault("clients that do not read", _slow_readers, options="--send-queue=16384"),
    Fault("store full (maxmemory)", _store_is_full),
    Fault("disk full", _disk_is_full, stage="small disk"),
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
