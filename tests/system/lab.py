"""The real thing as processes: started here, and ended here whatever happens."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from tests import forked
from tests.doubles.valkey import Valkey
from tests.wire import PATIENCE, WireClient

T = TypeVar("T")

PROGRAMS = Path(sys.executable).parent
TWISTD = str(PROGRAMS / "twistd")
TAC = Path(__file__).parents[2] / "chatroom.tac"
#: On a port that nothing else has, for this machine only.
ANY_PORT = ("--listen", "tcp:0:interface=127.0.0.1")
#: Passwords hashed so cheaply that a hundred registrations take no time.
CHEAP = ("--argon2", "1,8,1")
#: Whatever a test says at once, and from wherever: these tests are not about floods.
UNLIMITED = ("--message-rate", "0", "--byte-rate", "0", "--max-per-address", "0")
PROC = Path("/proc")
#: Starts a process: by a whole interpreter, or by a fork.
Start = Callable[..., "subprocess.Popen[bytes] | forked.Process"]


def until(what: Callable[[], T], seconds: float = PATIENCE, why: str = "it never came") -> T:
    """Wait until ``what`` gives something true, and give that back."""
    deadline = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        assert time.monotonic() < deadline, why
        time.sleep(0.01)


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment, without settings of a server, and with ``more``.

    Without coverage, too: it makes each process start slower, and finds here what the tests of the
    parts have covered already.
    """
    not_theirs = ("CHATROOM_", "COVERAGE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(not_theirs)}
    return kept | more


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    if not PROC.is_dir():
        return True
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_naming(text: str) -> dict[int, str]:
    """Processes with ``text`` in their command line, where the system tells of them."""
    found = {}
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if text in command and alive(int(folder.name)):
                found[int(folder.name)] = command
    return found


@contextlib.contextmanager
def own_valkey(binary: Path) -> Iterator[Valkey]:
    """A Valkey for ``--redis``."""
    # Not pytest's folders: their paths can be longer than a socket's may be.
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        valkey = Valkey(binary, Path(folder))
        valkey.start()
        try:
            yield valkey
        finally:
            valkey.kill()


def works_for(user: int) -> bool:
    """Whether another user can get at this Python and its packages."""
    probe = [sys.executable, "-c", "import chatroom.service"]
    try:
        ran = subprocess.run(probe, user=user, cwd="/", capture_output=True, check=False)
    except PermissionError:
        return False
    return ran.returncode == 0


class Ended:
    """A process that has ended: its exit status and what it said."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def said(self) -> str:
        return self.output + self.errors


class Server:
    """A chat server that runs.

    :param process: None for one that has become a daemon.
    :param log_file: where its log goes.
    :param pid_file: where a daemon's process id stands.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes] | forked.Process | None,
        log_file: Path,
        errors: Path,
        data: Path,
        pid_file: Path | None = None,
    ) -> None:
        self._process = process
        self.log_file = log_file
        self._errors = errors
        self._pid_file = pid_file
        self.data = data
        self.pid = 0 if process is None else process.pid

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def errors(self) -> str:
        """What went to standard error."""
        return self._errors.read_text()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self._process is None or self._process.poll() is None, self.said()
            return "Ready: clients may connect" in self.log()

        until(is_ready, why=f"the server did not get ready: {self.said()}")
        if self._pid_file is not None:
            self.pid = int(self._pid_file.read_text())

    @property
    def port(self) -> int:
        """The first port that it listens on."""
        found = re.search(r"Listening on \S+:(\d+) ", self.log())
        assert found is not None, self.said()
        return int(found[1])

    @property
    def valkey(self) -> int:
        """The process id of its private store, the newest one."""
        found = re.findall(r"The private store \(.*, process (\d+)\) was ready", self.log())
        assert found, self.said()
        return int(found[-1])

    def said(self) -> str:
        return self.log() + self.errors()

    def client(self) -> WireClient:
        return WireClient(self.port)

    def send_signal(self, number: int) -> None:
        if alive(self.pid):
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Wait until it has ended; its exit status, a daemon's is not known."""
        if self._process is not None:
            return self._process.wait(seconds)
        until(lambda: not alive(self.pid), seconds, "the daemon does not end")
        return None

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Lab:
    """Starts what a test wants, with everything in one folder, and ends all of it.

    :param folder: where everything goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._stack = ExitStack()
        self._started: list[subprocess.Popen[bytes] | forked.Process] = []

    # ---- the server

    def server(
        self,
        *options: str,
        data: Path | None = None,
        listen: tuple[str, ...] = ANY_PORT,
        cheap: bool = True,
        limited: bool = False,
    ) -> Server:
        """``twistd -n chatroom``, ready for clients; in a fork where there is one."""
        data = data or self.folder / f"data-{next(self._numbers)}"
        command = [TWISTD, "-n", "--pidfile=", "chatroom", *listen, "--data", str(data)]
        command += [*(CHEAP if cheap else ()), *(() if limited else UNLIMITED)]
        return self._ready([*command, *options], data, {}, forked.start)

    def foreground(self, command: list[str], data: Path, **environ: str) -> Server:
        """A server that stays in the foreground, ready for clients."""
        return self._ready(command, data, environ, subprocess.Popen)

    def _ready(self, command: list[str], data: Path, environ: dict[str, str], by: Start) -> Server:
        number = next(self._numbers)
        output, errors = self.folder / f"{number}.out", self.folder / f"{number}.err"
        process = self.start(command, output, errors, environment(**environ), by)
        server = Server(process, output, errors, data)
        server.wait_until_ready()
        return server

    def start(
        self,
        command: list[str],
        output: Path,
        errors: Path,
        env: Mapping[str, str],
        by: Start = subprocess.Popen,
    ) -> subprocess.Popen[bytes] | forked.Process:
        """Start anything, without input; it is ended with the lab."""
        with output.open("wb") as out, errors.open("wb") as err:
            process = by(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder, env=env
            )
        self._started.append(process)
        return process

    def daemon(
        self,
        arguments: list[str],
        data: Path,
        *,
        options: tuple[str, ...] = (),
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        by: Sequence[str] = (),
    ) -> tuple[Ended, Server]:
        """``twistd`` that leaves its terminal; how the parent ended, and the server.

        :param by: what runs it, where that is no interpreter of its own.
        :param arguments: what twistd is to run.
        :param options: more for twistd itself.
        :param folder: where its own files go.
        """
        folder = folder or self.folder
        number = next(self._numbers)
        pid_file, log_file = folder / f"{number}.pid", folder / f"{number}.log"
        own = ["--pidfile", str(pid_file), "--logfile", str(log_file), "--rundir", str(folder)]
        ended = self.run([*by, TWISTD, *own, *options, *arguments], env=env)
        self._stack.callback(_end_daemon, pid_file)
        errors = self.folder / f"{number}.err"
        errors.write_text(ended.errors)
        return ended, Server(None, log_file, errors, data, pid_file)

    # ---- anything

    def run(self, command: list[str], env: Mapping[str, str] | None = None, **more: Any) -> Ended:
        """Run something to its end, which must come soon."""
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=environment() if env is None else env,
            **{"cwd": self.folder, **more},
        )
        return Ended(ran.returncode, ran.stdout, ran.stderr)

    def ends(self, what: Callable[[], object]) -> None:
        """Have ``what`` called when the lab is closed, the newest first."""
        self._stack.callback(what)

    def close(self) -> None:
        """End everything, and see that nothing stays behind."""
        self._stack.close()
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._started:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with contextlib.suppress(AssertionError):
            until(lambda: not processes_naming(str(self.folder)))
        left = processes_naming(str(self.folder))
        for number in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        assert not left, "left behind by the test"


def _end_daemon(pid_file: Path) -> None:
    try:
        process = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    until(lambda: not alive(process), why="the daemon does not end")
