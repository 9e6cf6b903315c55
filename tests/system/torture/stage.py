"""What is broken on purpose: the server's and the store's processes, and a proxy on each way."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from signal import Signals

from tests.doubles.valkey import ask
from tests.system.lab import environment as lab_environment

#: Seconds that a process may take to say that it is ready.
PATIENCE = 20.0
#: What the load's accounts cost: the load is not about hashing.
CHEAP_HASH = "1,8,1"
#: Hundreds of people at one address, who say as much as they can.
UNLIMITED = ("--message-rate=0", "--byte-rate=0", "--max-per-address=0")


class Server:
    """A chat server of our own as a process, with its private store unless it is given a Redis.

    :param folder: holds its data and its log.
    :param preload: a library that its processes are to load first.
    :param code: the folder whose ``chatroom`` package is run; the checkout's if left out.
    """

    def __init__(
        self,
        folder: Path,
        *,
        redis: str | None = None,
        code: Path | None = None,
        preload: Path | None = None,
        more: str = "",
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.port = _free_port()
        self._redis = redis
        self._code = code
        self._preload = preload
        self._more = more.split()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; ``wait`` until it says that clients may connect."""
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        command += ["-n", "--pidfile=", "chatroom", f"--listen=tcp:{self.port}:interface=127.0.0.1"]
        command += [f"--data={self.data}", f"--argon2={CHEAP_HASH}", *UNLIMITED, *self._more]
        if self._redis is not None:
            command.append(f"--redis={self._redis}")
        environment = lab_environment()
        if self._code is not None:
            environment["PYTHONPATH"] = str(self._code)
        if self._preload is not None:
            environment["LD_PRELOAD"] = str(self._preload)
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # our own server
                command, cwd=self._code or self.folder, env=environment, stdout=log, stderr=log
            )
        if wait:
            self._wait_until("Ready: clients may connect", begin)

    def _wait_until(self, text: str, begin: int) -> None:
        until = time.monotonic() + PATIENCE
        while text not in self.said(begin):
            if time.monotonic() > until or not self.running:
                raise RuntimeError(f"the server did not start:\n{self.said(begin)}")
            time.sleep(0.02)

    def said(self, begin: int = 0) -> str:
        """Its log from a byte on."""
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode("utf-8", "replace")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: Signals) -> None:
        """Send a signal to the server's process."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(Signals.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE)

    def stop(self) -> None:
        """SIGTERM, and wait; what does not end by then is killed, the store included."""
        self.signal(Signals.SIGCONT)
        self.signal(Signals.SIGTERM)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()
        self.kill_store()

    def store_process(self) -> int | None:
        """The private store's process id, if it runs."""
        found = re.findall(r"Valkey \S+, process (\d+)", self.said())
        if not found:
            return None
        process = int(found[-1])
        with contextlib.suppress(OSError):
            if b"valkey" in Path(f"/proc/{process}/cmdline").read_bytes():
                return process
        return None

    def signal_store(self, number: Signals) -> None:
        """Send a signal to the private store, if it runs."""
        process = self.store_process()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill_store(self) -> None:
        self.signal_store(Signals.SIGKILL)

    def command_store(self, *command: str) -> bytes:
        """One command to the private store."""
        return ask(self.data / "store" / "valkey.sock", *command)


_SLOW_DISK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static void wait_for_the_disk(void) {
    struct timespec pause = {0, 800000000};
    nanosleep(&pause, 0);
}
int fdatasync(int fd) { wait_for_the_disk(); return syscall(SYS_fdatasync, fd); }
int fsync(int fd) { wait_for_the_disk(); return syscall(SYS_fsync, fd); }
"""


def slow_disk(folder: Path) -> Path:
    """A library that makes each sync to the disk take most of a second; needs a C compiler.

    :raises PermissionError: there is none here.
    """
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise PermissionError("only with a C compiler, on Linux, the disk can be made slow")
    source, library = folder / "slow_disk.c", folder / "slow_disk.so"
    source.write_text(_SLOW_DISK, "ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of that size, mounted in ``folder``; needs root.

    :raises PermissionError: it can't be mounted here.
    """
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        raise PermissionError("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    done = subprocess.run(  # our own folder
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True
    )
    if done.returncode:
        raise PermissionError(done.stderr.decode().strip())
    try:
        yield disk
    finally:
        subprocess.run([umount, "-l", str(disk)], check=False)  # our own folder


def mutated_code(checkout: Path, folder: Path, changes: tuple[tuple[str, str, str], ...]) -> Path:
    """A copy of the program with a fault put into it.

    :param changes: file, text that stands there exactly once, what to put in its place.
    """
    code = folder / "code"
    shutil.copytree(checkout / "chatroom", code / "chatroom")
    shutil.copytree(checkout / "twisted" / "plugins", code / "twisted" / "plugins")
    for name, before, after in changes:
        file = code / name
        text = file.read_text("utf-8")
        if text.count(before) != 1:
            raise ValueError(f"{name} holds {before!r} {text.count(before)} times, not once")
        file.write_text(text.replace(before, after), "utf-8")
    return code


def _free_port() -> int:
    """A port that is free now, and below those that the system gives to connections.

    The server must get it again after a restart, so no connection may be given it meanwhile.
    """
    while True:
        port = SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
