"""A real Valkey of a test's own, on a Unix socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from chatroom.config.redis_address import RedisAddress


def ask(path: Path, *command: str) -> bytes:
    """Send one command to the Redis on a Unix socket; the first part of the reply."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(str(path))
        parts = [f"${len(part.encode())}\r\n{part}\r\n" for part in command]
        connection.sendall(f"*{len(parts)}\r\n{''.join(parts)}".encode())
        return connection.recv(65536)


class Valkey:
    """A server process with its data in ``folder``; TCP only where ``options`` say so.

    :param options: more of the command line.
    """

    def __init__(self, binary: Path, folder: Path, *options: str) -> None:
        self.socket = folder / "valkey.sock"
        self.address = RedisAddress(path=str(self.socket))
        self._command = [
            str(binary),
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait, without the reactor, until it accepts connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.ask("PING")
            except OSError:
                assert self._process.poll() is None, "Valkey did not start"
                assert time.monotonic() < deadline, "Valkey does not answer"
                time.sleep(0.01)
            else:
                return

    def ask(self, *command: str) -> bytes:
        """Send one command over a connection of its own; the first part of the reply."""
        return ask(self.socket, *command)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; the socket's file goes too, as nobody listens."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
