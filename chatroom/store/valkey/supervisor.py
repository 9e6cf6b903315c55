"""The private store: a Valkey of the server's own, started before it and stopped after it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.base import DelayedCall
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.logfile import LogFile

from chatroom.common.waiting import Waiters
from chatroom.config.data_folder import DataFolder, usable
from chatroom.config.errors import StartError
from chatroom.config.options import Fsync
from chatroom.config.redis_address import RedisAddress
from chatroom.store.valkey import append_only, launcher
from chatroom.store.valkey.binary import find_binary
from chatroom.store.valkey.disk import DiskSpace, DiskSync
from chatroom.store.valkey.leftover import stop_leftover
from chatroom.store.valkey.probe import Loading, is_ready
from chatroom.store.valkey.process import Run

#: Seconds for it to end by itself once it is asked to; then it is killed, which loses nothing that
#: it had written. Short enough that a server whose store is frozen is gone within five.
STOP_PATIENCE: Final = 1.5
#: One that ran this long, in seconds, and dies is started again at once.
STEADY: Final = 60.0
#: Seconds before starting it again, by how often it died since it last ran `STEADY`.
PAUSES: Final = (0.0, 0.5, 1.0, 2.0)
#: Seconds between two questions whether it is ready: at first, and in the end.
FIRST_ASK: Final = 0.005
LAST_ASK: Final = 0.1
#: Seconds between two lines that say how far loading got.
PROGRESS: Final = 2.0
#: Its own log is turned over at this size, in bytes; one old file is kept.
LOG_SIZE: Final = 1024 * 1024
#: Longest path of a Unix socket, in bytes without the final NUL: sun_path in <sys/un.h>.
SOCKET_PATH: Final = 107 if sys.platform == "linux" else 103

#: The file in the data folder that holds the id of the store that was there last.
STORE_ID: Final = "store-id"
#: What it says when it cuts off a command that was not written to its end.
_TORN = re.compile(r"Truncating the AOF (\S+) at offset (\d+)")
#: Its socket, in the folder ``store``.
SOCKET: Final = "valkey.sock"
_CONFIG: Final = """\
# Written anew at each start of the chat server: what is changed here is lost.
# Nobody but the server's user gets at it: no TCP, and a socket in a folder closed to others.
port 0
unixsocket {socket}
unixsocketperm 600
# Each write is in the file before it is answered, so that it outlives the process whatever ends it.
# Not everysec: see chatroom/store/valkey/disk.py, which syncs where this says no.
appendonly yes
appendfsync {fsync}
aof-load-truncated yes
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
# The append-only file is all: no snapshots, and none at the end.
save ""
stop-writes-on-bgsave-error no
shutdown-on-sigterm nosave force
# Nothing is ever dropped to make room.
maxmemory 0
maxmemory-policy noeviction
daemonize no
logfile ""
loglevel notice
always-show-logo no
# So that its command line goes on naming this file.
set-proc-title no
"""

_log = Logger()


class PrivateStore(Service):
    """Runs Valkey in the folder ``store`` of the data folder, on a Unix socket, and restarts it.

    First `check`, before the reactor runs; then the service starts and stops it.

    :ivar on_room: called with False when its disk is nearly full, and with True once it is not.
    """

    #: Where it can be reached, from this process only. Known after `check`, as is the version.
    address: RedisAddress
    #: What the program calls itself, such as ``Valkey 9.1.2``.
    version: str

    def __init__(self, reactor: Any, folder: DataFolder, fsync: Fsync = "everysec") -> None:
        self._reactor = reactor
        self._data = folder
        self._fsync = fsync
        self.on_room: Callable[[bool], None] = lambda _: None
        self._run: Run | None = None
        #: How large what was appended to was before the store looked at it.
        self._sizes: dict[str, int] = {}
        self._disk_space: DiskSpace | None = None
        self._disk_sync: DiskSync | None = None
        self._ready = False
        self._failed: StartError | None = None
        self._stopping = False
        self._waiting = Waiters()
        self._pause: Deferred[None] | None = None
        self._supervision: Deferred[None] | None = None

    def check(self) -> None:
        """Do all that can fail and needs no reactor; the data folder must be open.

        Stops a store that a killed chat server left behind, which may take a few seconds.

        :raises StartError: it can't run.
        """
        self._binary, self.version = find_binary()
        self._folder = self._data.subfolder("store")
        self._appended = self._folder / append_only.FOLDER
        self._marker = self._data.path / STORE_ID
        self._config = self._folder / "valkey.conf"
        self._lock = self._folder / "valkey.lock"
        self.address = RedisAddress(path=reachable(self._folder))
        stop_leftover(self._lock, self._config)
        self._check_parts()

    @property
    def known_id(self) -> str:
        """The id of the store that was in this folder last; empty: there was none."""
        return (self._data.read(self._marker) or b"").decode("ascii", "replace").strip()

    def remember_id(self, found: str) -> None:
        """Keep the id of the store that is in this folder."""
        if found != self.known_id:
            try:
                self._data.write(self._marker, f"{found}\n".encode("ascii"))
            except StartError as error:
                _log.warn("The private store's id could not be kept: {why}", why=error)

    def _check_parts(self) -> None:
        append_only.check_parts(self._appended, had_store=bool(self.known_id))

    def startService(self) -> None:
        """Start it, and from now on whenever it ends.

        :raises StartError: as the user that the process runs as by now, the folder can't be used.
        """
        self._data.record_process()
        with usable(self._data.path):
            fsync = "always" if self._fsync == "always" else "no"
            _write_private(self._config, _CONFIG.format(socket=SOCKET, fsync=fsync))
            self._output = LogFile(
                "valkey.log",
                str(self._folder),
                rotateLength=LOG_SIZE,
                maxRotatedFiles=1,
                defaultMode=0o600,
            )
        super().startService()  # type: ignore[no-untyped-call]
        self._stopping = False
        if self._fsync == "everysec":
            self._disk_sync = DiskSync(self._reactor, self._appended)
            self._disk_sync.start()
        self._disk_space = DiskSpace(self._reactor, self._folder, lambda it: self.on_room(it))
        self._disk_space.start()
        self._supervision = Deferred.fromCoroutine(self._supervise())

    def stopService(self) -> Deferred[None]:
        """Stop it, after the last write.

        :return: fires when its process has gone.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    def when_ready(self) -> Deferred[None]:
        """Wait until it answers, with its data loaded.

        :return: fires at once if it is ready. Fails with `StartError` if it ended by itself before
            it was ever ready, or is stopped before.
        """
        if self._failed is not None:
            return fail(self._failed)
        return succeed(None) if self._ready else self._waiting.wait()

    async def _stop(self) -> None:
        self._stopping = True
        for watching in (self._disk_sync, self._disk_space):
            if watching is not None:
                watching.stop()
        if self._pause is not None:
            self._pause.cancel()
        killing: DelayedCall | None = None
        if self._run is not None:
            self._run.signal("TERM")
            killing = self._reactor.callLater(STOP_PATIENCE, self._run.signal, "KILL")
        if self._supervision is not None:
            await self._supervision
            self._supervision = None
            self._output.close()
        if killing is not None and killing.active():
            killing.cancel()

    async def _supervise(self) -> None:
        try:
            await self._keep_running()
        except Exception:  # noqa: BLE001 - whatever it is, it must not vanish
            _log.failure("The private store is not supervised any more")
            self._failed = StartError("the private store is not supervised any more")
        self._ready = False
        self._waiting.fire(self._failed or StartError("the private store was stopped"))

    async def _keep_running(self) -> None:
        deaths, was_ready = 0, False
        while not self._stopping:
            try:
                run = self._spawn()
            except StartError as error:
                if not was_ready:
                    self._failed = error
                    return
                _log.error("The private store can't be started again: {why}", why=error)
                await self._sleep(PAUSES[-1])
                continue
            started = self._reactor.seconds()
            if await self._until_ready(run):
                was_ready = True
                seconds = self._reactor.seconds() - started
                _log.info(
                    "The private store ({version}, process {process}) was ready after {ms} ms",
                    version=self.version,
                    process=run.process,
                    ms=round(seconds * 1000),
                )
                self._ready = True
                self._waiting.fire()
            await run.ended
            self._ready = False
            self._run = None
            if self._is_stopping():
                return
            why = f"the private store {run.why}; its last words: {run.last_words()}"
            if run.by_itself and self._sizes:
                why += (
                    f"; if they are about what it reads, 'chatroom-admin check-store --data "
                    f"{self._data.path}' says what is damaged, and with --repair mends it"
                )
            if run.by_itself and not was_ready:
                self._failed = StartError(why)
                return
            deaths = 0 if self._reactor.seconds() - started >= STEADY else deaths
            pause = PAUSES[min(deaths, len(PAUSES) - 1)]
            deaths += 1
            when = f"in {pause:g} s" if pause else "at once"
            _log.error("Restarting the private store {when}: {why}", when=when, why=why)
            await self._sleep(pause)

    def _spawn(self) -> Run:
        """:raises StartError: it would hold less than it did."""
        self._check_parts()
        self._sizes = append_only.sizes(self._appended)
        for leftover in self._folder.glob("temp-*"):
            # What a rewrite of the append-only file had written when its parent was killed.
            leftover.unlink(missing_ok=True)
        run = self._run = Run(self._reactor, self._output, self._hear)
        command = [str(self._binary), str(self._config)]
        script = [launcher.__file__, str(os.getpid()), str(self._lock), *command]
        run.start([sys.executable, "-I", "-S", *script], str(self._folder))
        return run

    def _hear(self, line: str) -> None:
        torn = _TORN.search(line)
        if torn is not None:
            _log.warn(
                "The end of the private store's file {file} was torn, as a crash of the machine "
                "leaves it: {bytes} bytes that are no whole command were cut off",
                file=torn[1],
                bytes=self._sizes.get(torn[1], 0) - int(torn[2]),
            )

    async def _until_ready(self, run: Run) -> bool:
        """False if it ends before."""
        pause, next_progress = FIRST_ASK, 0.0
        assert self.address.path is not None
        while not run.ended.called and not self._stopping:
            answer = await is_ready(self._reactor, self.address.path)
            # Out of the probe's own turn: what others do and log next is not the probe's doing.
            await self._sleep(0)
            if answer is True and not run.ended.called:
                return True
            if isinstance(answer, Loading) and self._reactor.seconds() >= next_progress:
                next_progress = self._reactor.seconds() + PROGRESS
                _log.info(
                    "The private store is loading its data: {percent:.0f} %, about {left} s left",
                    percent=answer.percent,
                    left=answer.seconds_left,
                )
            await self._sleep(pause)
            pause = min(pause * 1.5, LAST_ASK)
        return False

    def _is_stopping(self) -> bool:
        # A call, because mypy takes an attribute to be the same before and after an await.
        return self._stopping

    async def _sleep(self, seconds: float) -> None:
        """Pause, and no longer than until the service stops."""
        self._pause = deferLater(self._reactor, seconds)
        try:
            await self._pause
        except CancelledError:
            pass
        finally:
            self._pause = None


def reachable(folder: Path) -> str:
    """The path by which this process can connect to the socket in ``folder``.

    :raises StartError: it is too long, and this system has no way around that.
    """
    plain = folder / SOCKET
    if len(os.fsencode(plain)) <= SOCKET_PATH:
        return str(plain)
    # The store itself has the folder as its working directory. Here an open directory stands for
    # it, which unlike a symbolic link elsewhere leaves nothing behind, and nothing for others to
    # tamper with. It stays open as long as the process, across forks.
    link = f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}/"
    if not Path(link).is_dir():
        raise StartError(
            f"the path of data folder {folder.parent} is too long for a Unix socket in it; "
            f"give --data one of at most {SOCKET_PATH - len(SOCKET) - len('/store/')} bytes"
        )
    return link + SOCKET


def _write_private(path: Path, text: str) -> None:
    # Not again if it stands there: a full disk must not keep the server from starting.
    if not path.exists() or path.read_text("utf-8") != text:
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
