"""What is broken on purpose: the processes of the server and of its store.

Several faults may have hold of one process at a time: it goes on when the last of them lets go.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests import forked
from tests.doubles.valkey import ask
from tests.system.lab import environment as lab_environment

#: Seconds that a process may take to say that it is ready: only one that hangs takes so long.
PATIENCE = 120.0
#: What the load's accounts cost: the load is not about hashing.
CHEAP_HASH = "1,8,1"
#: Hundreds of people at one address, who say as much as they can.
UNLIMITED = ("--message-rate=0", "--byte-rate=0", "--max-per-address=0")


class Process:
    """A process that can be killed, held down and frozen, and is started whenever it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | forked.Process | None = None
        self._held_down = 0
        self._frozen = 0
        #: How it ended, each time that it was by itself.
        self.ends: list[int] = []

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tend(self) -> None:
        """Start it again if it has ended, as whatever supervises it would; to be called often."""
        if self._process is None or self._held_down or self.running:
            return
        self.ends.append(self._process.wait())
        self.start()

    def signal(self, number: int) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end; it comes back by itself."""
        self.take_down()
        self.bring_up()

    def take_down(self) -> None:
        """SIGKILL, and keep it down until `bring_up`."""
        self._held_down += 1
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE)

    def bring_up(self) -> None:
        """Let go of it: it is started if nobody else holds it down."""
        self._held_down -= 1
        if not self._held_down:
            self.start()

    def freeze(self) -> None:
        """SIGSTOP, until `thaw`."""
        self._frozen += 1
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._frozen -= 1
        if not self._frozen:
            self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good."""
        self.take_down()


class Server(Process):
    """A chat server of our own, with its private store unless it is given a Redis.

    :param folder: holds its log.
    :param data: its data folder.
    :param preload: a library that its processes are to load first.
    :param code: the folder whose ``chatroom`` package is run; the checkout's if left out.
    """

    def __init__(
        self,
        folder: Path,
        *,
        data: Path | None = None,
        redis: str | None = None,
        code: Path | None = None,
        preload: Path | None = None,
        more: str = "",
    ) -> None:
        super().__init__()
        self.data = folder / "data" if data is None else data
        self.log = folder / "server.log"
        self._folder = folder
        self._held_port = hold_port()
        self.port: int = self._held_port.getsockname()[1]
        self._redis = redis
        self._code = code
        self._preload = preload
        self._more = more.split()

    def start(self) -> None:
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        command += ["-n", "--pidfile=", "chatroom", f"--listen=tcp:{self.port}:interface=127.0.0.1"]
        command += [f"--data={self.data}", f"--argon2={CHEAP_HASH}", *UNLIMITED, *self._more]
        if self._redis is not None:
            command.append(f"--redis={self._redis}")
        environment = lab_environment()
        if self._code is not None:
            environment["PYTHONPATH"] = str(self._code)
        whole = self._code or self._preload
        with self.log.open("ab") as log:
            self._process = (subprocess.Popen if whole else forked.start)(
                command,
                stdin=subprocess.DEVNULL,
                cwd=self._code or self._folder,
                env=preloading(environment, self._preload),
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait, without the reactor, until it says that clients may connect."""
        until = time.monotonic() + PATIENCE
        while "Ready: clients may connect" not in self.said():
            if time.monotonic() > until or not self.running:
                raise RuntimeError(f"the server did not start:\n{self.said()}")
            time.sleep(0.02)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")

    def stop(self) -> None:
        super().stop()
        self._held_port.close()


class PrivateStore:
    """The server's own store: the server starts it, and starts it again."""

    def __init__(self, server: Server) -> None:
        self._folder = server.data / "store"
        self._frozen = 0
        self.socket = self._folder / "valkey.sock"

    @property
    def process(self) -> int | None:
        """Its process id, if it runs."""
        with contextlib.suppress(OSError, ValueError):
            process = int((self._folder / "valkey.lock").read_text())
            # What else has this id by now works in another folder.
            if Path(f"/proc/{process}/cwd").resolve(strict=True) == self._folder.resolve():
                return process
        return None

    def _signal(self, number: int) -> None:
        process = self.process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def tend(self) -> None:
        """Nothing: the server does."""

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def take_down(self) -> None:
        """Kill it. To keep it down, the server has to be down, too."""
        self.kill()

    def bring_up(self) -> None:
        """Nothing: the server does."""

    def freeze(self) -> None:
        self._frozen += 1
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._frozen -= 1
        if not self._frozen:
            self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, once the server is ended."""
        until = time.monotonic() + PATIENCE
        while self.process is not None and time.monotonic() < until:
            self.kill()
            time.sleep(0.01)


class OwnRedis(Process):
    """A Redis for ``--redis`` that keeps what it said that it has, and is started whenever it ends.

    :param folder: holds its data.
    :param socket: where it is reached.
    :param preload: a library that it is to load first.
    """

    def __init__(self, binary: Path, folder: Path, socket: Path, preload: Path | None) -> None:
        super().__init__()
        self.socket = socket
        folder.mkdir()
        self._command = [
            *(str(binary), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
        ]
        self._preload = preload

    def start(self) -> None:
        environment = preloading(dict(os.environ), self._preload)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, env=environment)

    def wait_until_ready(self) -> None:
        """Wait, without the reactor, until it answers."""
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                if ask(self.socket, "PING") == b"+PONG\r\n":
                    return
            if time.monotonic() > until or not self.running:
                raise RuntimeError("the Redis did not start")
            time.sleep(0.02)


Store = PrivateStore | OwnRedis


def hold_port() -> socket.socket:
    """A socket that keeps a free port for a server of ours: nobody else can get it meanwhile.

    The server can, as both sides set SO_REUSEADDR and this one never listens; and while the server
    is down, who connects is refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def preloading(environment: dict[str, str], library: Path | None) -> dict[str, str]:
    return environment if library is None else {**environment, "LD_PRELOAD": str(library)}
