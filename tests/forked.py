"""Python programs as processes, without the time that imports take: most of each run.

With the fixture ``forking`` there is a process that has imported the whole project, but for what
needs the reactor. Each run is a process of its own, forked from that one, with the standard files,
folder and environment of who ran it. `Process` is used like a ``subprocess.Popen``, and ``python``
like the command of an interpreter: ``[*python, "-m", "chatroom", ...]``, ``[*python, "bot.py",
...]``. By ``python`` a program has not the terminal and the signals of who ran it, and in neither
way their resource limits, libraries that ``LD_PRELOAD`` names and ``PYTHON...`` variables: tests of
these, of standard files that are closed, and of the start itself start a whole interpreter.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import coverage

import chatroom

#: What is run in place of a whole interpreter, in a few milliseconds.
RUN = """
import json, os, signal, socket, sys
to = socket.socket(socket.AF_UNIX)
to.connect(sys.argv[1])
about = [sys.argv[2:], os.getcwd(), dict(os.environ), os.umask(0), False]
asked = json.dumps(about).encode()
socket.send_fds(to, [len(asked).to_bytes(4, "big")], [0, 1, 2])
to.sendall(asked)
for number in range(3):
    os.close(number)
to.recv(8, socket.MSG_WAITALL)
status = int(to.recv(8, socket.MSG_WAITALL))
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


#: The command; without the fixture an interpreter.
python = [sys.executable]


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Have a process that has all imported, and its forks run what ``python`` runs."""
    # Its forks are measured where who runs them is.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    with subprocess.Popen(
        # Room for the command lines of its forks.
        [sys.executable, "-m", "tests.forked", " " * 8192],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert address
        python[1:] = ["-I", "-S", "-c", RUN, address]
        try:
            yield
        finally:
            del python[1:]


def start(
    command: Sequence[str], *, terminal: bool = False, **options: Any
) -> subprocess.Popen[bytes] | Process:
    """Start a Python program; in a whole interpreter without the fixture, or with PYTHONPATH.

    :param command: an interpreter with its arguments, or a script.
    :param terminal: whether standard input becomes the terminal of a session of its own.
    :param options: as ``subprocess.Popen`` has them: standard files, folder and environment.
    """
    # A fork has its modules already, wherever others may be found.
    if python[1:] and "PYTHONPATH" not in options["env"]:
        return Process(command, terminal=terminal, **options)
    if terminal:
        options |= {"start_new_session": True, "preexec_fn": _take_terminal}
    return subprocess.Popen(command, **options)


class Process:
    """What runs in a fork: as much of a ``subprocess.Popen`` as is used here."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int | IO[bytes],
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        env: Mapping[str, str],
        cwd: Path | None = None,
        terminal: bool = False,
    ) -> None:
        self.args = list(command)
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        with contextlib.ExitStack() as stack:
            files = []
            for number, file in enumerate((stdin, stdout, stderr)):
                if file == subprocess.PIPE:
                    reads, writes = os.pipe()
                    theirs, ours = (reads, writes) if number == 0 else (writes, reads)
                    stack.callback(os.close, theirs)
                    name = ("stdin", "stdout", "stderr")[number]
                    setattr(self, name, os.fdopen(ours, "rb" if number else "wb", 0))
                elif file == subprocess.DEVNULL:
                    theirs = os.open(os.devnull, os.O_RDWR)
                    stack.callback(os.close, theirs)
                else:
                    theirs = file if isinstance(file, int) else file.fileno()
                files.append(theirs)
            argv = self.args[1:] if self.args[0] == sys.executable else self.args
            os.umask(umask := os.umask(0))
            about = [argv, str(cwd or Path.cwd()), dict(env), umask, terminal]
            asked = json.dumps(about).encode()
            self._told = socket.socket(socket.AF_UNIX)
            self._told.connect(python[-1])
            socket.send_fds(self._told, [len(asked).to_bytes(4, "big")], files)
            self._told.sendall(asked)
        self.pid = int(self._told.recv(8, socket.MSG_WAITALL))

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._end(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._end(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            self._told.settimeout(seconds)
            with contextlib.suppress(TimeoutError, BlockingIOError):
                self.returncode = int(self._told.recv(8))
                self._told.close()
        return self.returncode


def main() -> None:
    """Give each that connects a process of its own, until standard input ends."""
    # Only children are for Ctrl-C: who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_all()
    folder = tempfile.mkdtemp(prefix="chatroom-")
    address = f"{folder}/python"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(128)
    print(address, flush=True)
    while listener.fileno() in select.select([0, listener.fileno()], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection)
            return
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    shutil.rmtree(folder)
    # All that still runs ends by this, too.
    with contextlib.suppress(ChildProcessError):
        while os.wait():
            pass


def import_all() -> None:
    """Import what programs import, but what needs the reactor: each chooses its own."""
    sys.modules["twisted.internet.reactor"] = None  # type: ignore[assignment]
    own = [module.name for module in pkgutil.walk_packages(chatroom.__path__, "chatroom.")]
    # What is run as a program is imported by that.
    own.remove("chatroom.__main__")
    for name in ("twisted.internet.default", "twisted.scripts.twistd", *own):
        # What stands before the import that fails is imported.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    del sys.modules["twisted.internet.reactor"]
    gc.collect()
    gc.freeze()


def serve(connection: socket.socket) -> None:
    """Run what is asked for in a process of its own, and say which it is and how that ended."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as given:
        asked = json.loads(given.read(int.from_bytes(size, "big")))
    ended, lives = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ended)
        connection.close()
        become(files, *asked[1:])
        show([sys.executable, *asked[0]])
        run(asked[0])
        return
    for number in (lives, *files):
        os.close(number)
    with contextlib.suppress(OSError):
        connection.sendall(b"%8d" % child)
    # If who asked for it is gone, or all tests are over, nobody waits for it any more.
    if ended not in select.select([0, connection.fileno(), ended], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(b"%8d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(
    files: list[int], folder: str, environ: dict[str, str], umask: int, terminal: bool
) -> None:
    """Be what an interpreter of one's own is at its start, with these as standard files."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    if terminal:
        os.setsid()
        _take_terminal()
    os.umask(umask)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    coverage.process_startup()


def _take_terminal() -> None:
    """So that Ctrl-C comes as a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def show(command: list[str]) -> None:
    """Have this as the command line that others see, where Linux's /proc tells of them."""
    with contextlib.suppress(OSError):
        # Their numbers are from proc(5): where the arguments begin and end in memory.
        begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
        shown = "\0".join(command).encode(errors="surrogateescape")[: end - begin - 1]
        with Path("/proc/self/mem").open("r+b", 0) as memory:
            memory.seek(begin)
            memory.write(shown.ljust(end - begin, b"\0"))


def run(argv: list[str]) -> None:
    """What an interpreter does with these arguments."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    elif argv[0] == "-c":
        sys.argv = ["-c", *argv[2:]]
        exec(argv[1], {"__name__": "__main__"})
    else:
        sys.argv = argv
        sys.path[0] = str(Path(argv[0]).parent)
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
