"""The command as a process: running a script, or in a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.forked import python

IN = "1\n100\n123456\n"
SECONDS = 120.0


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """A server of its own; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.terminal.menu_server"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"localhost:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()
    process.stdout.close()


def command(server: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "chatroom", "--lang", "en", "--server", server, *more]


def forked(server: str, *more: str) -> list[str]:
    """The same without the time that a start takes; ``forked.py`` says what else it has not."""
    return [*python, *command(server, *more)[1:]]


def chat(
    server: str,
    script: str | bytes,
    *more: str,
    start: Callable[..., list[str]] = forked,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a script through a pipe."""
    given = script if isinstance(script, bytes) else script.encode()
    done = subprocess.run(
        start(server, *more), input=given, capture_output=True, timeout=SECONDS, **options
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def altered(change: str, server: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with something changed in the program first."""
    # The choice of the reactor comes before other imports, as in the command itself.
    code = (
        "from chatroom.terminal.main import _install_reactor, main; _install_reactor()\n"
        f"from chatroom.terminal import choices, menus\n{change}\n"
        f"main(['--server', {server!r}, '--lang', 'en'])"
    )
    return subprocess.run(
        [*python, "-c", code], input=script, capture_output=True, timeout=SECONDS, text=True
    )


class Terminal:
    """The command in a pseudo-terminal that is its controlling one."""

    def __init__(self, *command: str, **environ: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child becomes the command
            os.environ.update({"TERM": "xterm", **environ})
            os.execvp(command[0], command)
        self.screen = ""
        self.resize(100, 30)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: str) -> str:
        """Read until ``text`` comes; gives all that came, and forgets it."""
        end = time.monotonic() + SECONDS
        while text not in self.screen:
            assert time.monotonic() < end, f"{text!r} did not come, but {self.screen!r}"
            self.read()
        seen, self.screen = self.screen, ""
        return seen

    def read(self) -> None:
        """Read what there is; wait a little if there is nothing."""
        if select.select([self.fd], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):  # nobody has it open any more
                self.screen += os.read(self.fd, 65536).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def status(self) -> int:
        """Wait for the end; gives the exit status."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self.read()
        raise AssertionError(f"it does not end: {self.screen!r}")

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


#: Starts a command in a terminal.
Start = Callable[..., Terminal]


def log_in(terminal: Terminal) -> str:
    seen = ""
    for question, answer in (("(1-3):", "1"), ("user id", "100"), ("password", "123456")):
        seen += terminal.until(question)
        terminal.type(answer + "\r")
    return seen + terminal.until("(1-7):")
