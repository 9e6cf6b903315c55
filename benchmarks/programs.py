"""The programs that a benchmark runs: the chat server, the raw fan-out, and the load on either."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

from msgspec import UNSET

from chatroom.protocol import codec
from chatroom.protocol import messages as wire

HERE = Path(__file__).parent
#: The first of the accounts that the load logs in with; clients.h has it too.
FIRST_ID = 100001
#: The load comes from one address, and as fast as it can.
UNLIMITED = ("--message-rate", "0", "--byte-rate", "0", "--max-per-address", "0")
#: Bytes of a message's content.
CONTENT = 64
#: Length of a message's id: what 128 random bits take in base 64.
ID = 22
#: Seconds that a program may take to start, to seed, or to end.
PATIENCE = 60

Result = dict[str, Any]


class BenchmarkError(Exception):
    """It can't be measured here; the text says why."""


class Kit:
    """A temporary folder with the compiled programs, and which core is whose."""

    def __init__(self) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise BenchmarkError(
                "the load and the raw fan-out are written in C, and there is no C compiler (cc) "
                "here: install one (on Debian and Ubuntu: apt install gcc libc6-dev)"
            )
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise BenchmarkError("two cores are needed: one for the server, one for the load")
        self.server_core, self.load_core = cores[0], cores[1]
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        #: Most connections that one program can hold here.
        self.most_clients = most - 200
        self.folder = Path(tempfile.mkdtemp(prefix="chatroom-bench-"))
        self.load = self._compile(compiler, "load", "load.c", "clients.c")
        self.raw = self._compile(compiler, "raw", "raw.c")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compile(self, compiler: str, name: str, *sources: str) -> Path:
        program = self.folder / name
        paths = [str(HERE / source) for source in sources]
        subprocess.run([compiler, "-O2", "-o", str(program), *paths], check=True)
        return program

    def start(self, core: int, command: Sequence[str | Path], **more: Any) -> Any:
        """Start a program on one core."""

        def pin() -> None:
            os.sched_setaffinity(0, {core})

        return subprocess.Popen(list(map(str, command)), preexec_fn=pin, **more)


class Target(Protocol):
    """What the load is put on."""

    port: int
    raw: bool
    #: Whose CPU time is taken down: the server's own process first, then its store's.
    processes: list[int]

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Chatroom:
    """The server as people run it, with a store and a data folder of its own.

    :param accounts: how many accounts there are to log in with.
    """

    raw = False

    def __init__(self, kit: Kit, accounts: int) -> None:
        self._kit = kit
        self._accounts = accounts

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._kit.folder))
        twistd = "from twisted.scripts.twistd import run; run()"
        endpoint = "tcp:0:interface=127.0.0.1:backlog=1024"
        command = [sys.executable, "-c", twistd, "-n", "--pidfile=", "chatroom", *UNLIMITED]
        self._process = self._kit.start(
            self._kit.server_core,
            [*command, "--listen", endpoint, "--data", self._folder / "data"],
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.port = self._wait_until_ready(self._process.stdout)
        # What it logs from now on is read, so that the pipe never fills.
        self.log: list[str] = []
        threading.Thread(target=self._read_log, daemon=True).start()
        store = self._folder / "data" / "store"
        self.processes = [self._process.pid, int((store / "valkey.lock").read_text())]
        seed = [sys.executable, "-m", "benchmarks.seed", str(store / "valkey.sock")]
        count = [str(FIRST_ID), str(self._accounts)]
        subprocess.run([*seed, *count], check=True, timeout=PATIENCE, cwd=HERE.parent)
        return self

    def __exit__(self, *error: object) -> None:
        _end(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self, output: IO[str]) -> int:
        port, said = 0, []
        for line in output:
            said.append(line)
            if "Listening on" in line:
                port = int(line.partition("Listening on ")[2].split()[0].rpartition(":")[2])
            if "Ready:" in line:
                return port
        raise BenchmarkError("the server did not start:\n" + "".join(said))

    def _read_log(self) -> None:
        self.log.extend(self._process.stdout)

    @property
    def memory(self) -> int:
        """Resident memory of the server's own process, in bytes."""
        return resident(self.processes[0])


class Raw:
    """The raw fan-out; ``mode`` as raw.c has them."""

    raw = True

    def __init__(self, kit: Kit, mode: str, frame: int) -> None:
        self._kit = kit
        self._command = [str(kit.raw), mode, str(frame)]

    def __enter__(self) -> Self:
        self._process = self._kit.start(
            self._kit.server_core,
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._process.stdout.readline())
        self.processes = [self._process.pid]
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()
        _end(self._process)


class Load:
    """One run of the load; each of its steps gives a line of figures."""

    def __init__(self, kit: Kit, target: Target, *command: object, **settings: object) -> None:
        self.what = " ".join(map(str, command))
        environment = {name.upper(): str(value) for name, value in settings.items()}
        environment |= {"PORT": str(target.port), "RAW": str(int(target.raw))}
        environment["PROCESSES"] = ",".join(map(str, target.processes))
        self._target = target
        self._process = kit.start(
            kit.load_core,
            [kit.load, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stdin.close()
        _end(self._process)

    def step(self) -> Result:
        """The figures of the step that ends next."""
        line = self._process.stdout.readline()
        if not line:
            log = "".join(getattr(self._target, "log", [])[-20:])
            raise BenchmarkError(f"'load {self.what}' failed; the server's last words:\n{log}")
        return cast("Result", json.loads(line))

    def go_on(self) -> None:
        """Let it begin the next step, where it waits for that."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()


class Peak:
    """The most memory that a process had within a ``with`` block, in bytes."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._over = threading.Event()
        self.first = self.most = resident(process)
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.most = max(self.most, resident(self._process))


def resident(process: int) -> int:
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end(process: Any) -> None:
    """Wait for a program of ours; make it end if it does not by itself."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ---------------------------------------------------------------- what the load sends


def template(kit: Kit, *, raw: bool, private: bool = False) -> Result:
    """The load's settings for messages of `CONTENT` bytes.

    To the raw fan-out the frame is sent that the chat server makes of it, so that the same number
    of bytes reaches everybody.
    """
    content, message_id = "c" * CONTENT, "i" * ID
    kind = wire.PrivateMes if private else wire.SmsMes
    message: wire.Text = kind(content=content, id=message_id, to_user_id=FIRST_ID)
    if raw:
        message.user_id, message.user_name = FIRST_ID, f"user{FIRST_ID}"
        message.seq, message.sent_at = f"{int(time.time() * 1000)}-0", int(time.time() * 1000)
    if not private:
        message.to_user_id = UNSET
        message.room = wire.LOBBY
    payload = codec.encode(message)
    path = kit.folder / f"template-{int(raw)}{int(private)}"
    path.write_bytes(codec.frame(payload))
    settings: Result = {"template": path, "content_at": payload.index(content.encode())}
    settings["id_at"] = payload.index(message_id.encode())
    if private:
        settings["to_at"] = payload.index(b"toUserId") + len(b'toUserId\\":')
    return settings


def frame_size(kit: Kit, *, private: bool = False) -> int:
    """Bytes of a message as everybody gets it, the length before it included."""
    settings = template(kit, raw=True, private=private)
    return cast("int", settings["template"].stat().st_size)
