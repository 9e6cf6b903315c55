"""The ``chatroom`` command as a process: behind a pipe, and on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import forked
from tests.system.lab import environment
from tests.wire import PATIENCE

CHATROOM = str(Path(sys.executable).with_name("chatroom"))
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def command(port: int, *options: str) -> list[str]:
    return [CHATROOM, "--server", f"127.0.0.1:{port}", *options]


def locale(name: str = "C.UTF-8") -> dict[str, str]:
    """The environment of somebody with that locale."""
    env = environment(LC_ALL=name, TERM="xterm-256color")
    env.pop("LANGUAGE", None)
    return env


class Console:
    """What pipe and terminal have in common: it is typed at, and what it says is waited for.

    What was found once is not found again.
    """

    def __init__(self, process: subprocess.Popen[bytes] | forked.Process, output: int) -> None:
        self._process = process
        self._output = output
        self._rest = b""
        #: All that it has said.
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close()
        if error is not None and hasattr(error, "add_note"):
            error.add_note(f"it said:\n{self.said}")

    def type(self, *lines: str) -> None:
        """Type lines, each with its end."""
        raise NotImplementedError

    def sees(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until it says that."""
        deadline = time.monotonic() + seconds
        while text not in self._unseen():
            left = deadline - time.monotonic()
            assert left > 0, f"it never said {text!r}"
            assert self._read(left), f"it ended without having said {text!r}"
        _, _, rest = self._unseen().partition(text)
        self._seen = len(self.said) - len(rest)

    _seen = 0

    def _unseen(self) -> str:
        return self.said[self._seen :]

    def ends(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; gives the exit status."""
        deadline = time.monotonic() + seconds
        while self._read(0.05) and self._process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
        status = self._process.wait(max(deadline - time.monotonic(), 0.1))
        while select.select([self._output], [], [], 0)[0] and self._read(0):
            continue
        return status

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def _read(self, seconds: float) -> bool:
        """Read what there is; False at the end."""
        if not select.select([self._output], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._output, 65536)
        except OSError:
            # The end of a terminal.
            return False
        text = (self._rest + data).decode(errors="ignore")
        self._rest = (self._rest + data)[len(text.encode()) :]
        self.said += _SEQUENCE.sub("", text).replace("\r", "")
        return bool(data)

    def _close(self) -> None:
        raise NotImplementedError


class Pipe(Console):
    """Behind a pipe; ``errors`` is what went to standard error, once it has ended."""

    _errors = ""

    def __init__(self, port: int, *options: str, language: str = "en") -> None:
        process = forked.start(
            command(port, "--lang", language, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=locale(),
        )
        assert process.stdout is not None
        super().__init__(process, process.stdout.fileno())

    def type(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._process.stdin.flush()

    def end_of_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def errors(self) -> str:
        assert self._process.stderr is not None
        self._errors += self._process.stderr.read().decode()
        return self._errors

    def _close(self) -> None:
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            if file is not None:
                with contextlib.suppress(BrokenPipeError):
                    file.close()


class Terminal(Console):
    """On a terminal of its own, 80 columns wide.

    :param program: what runs there instead of the menus.
    """

    def __init__(
        self,
        port: int = 0,
        *options: str,
        language: str = "en",
        program: list[str] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self._found = termios.tcgetattr(theirs)
        process = forked.start(
            program or command(port, "--lang", language, *options),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=locale(),
            terminal=True,
        )
        self._theirs = theirs
        super().__init__(process, self._ours)

    def type(self, *lines: str) -> None:
        self.press("".join(f"{line}\r" for line in lines))

    def press(self, keys: str) -> None:
        """Type without the end of a line."""
        os.write(self._ours, keys.encode())

    def is_changed(self) -> bool:
        """Whether the terminal's settings are not those that it found."""
        return termios.tcgetattr(self._theirs) != self._found

    def _close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)
