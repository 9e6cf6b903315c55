"""What twistd has no option for: a stale pidfile, the log's size, the exit status, SIGHUP.

twistd passes neither its runner nor its configuration to what it runs. So the runner is found on
the call stack, which is the same for the plugin and for a ``.tac`` file.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import select
import signal
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.logfile import LogFile
from twisted.scripts._twistd_unix import UnixApplicationRunner

#: twistd's log is rotated at this size, in bytes, and this many old files are kept.
LOG_SIZE: Final = 10_000_000
OLD_LOGS: Final = 9
#: The pidfile that twistd writes if ``--pidfile`` is not given.
DEFAULT_PIDFILE: Final = "twistd.pid"
#: What a daemon sends to its parent when it is ready; if it can't start, it sends the reason.
_READY: Final = b"ready"

_log = Logger()


class Launch:
    """How twistd started this process. Create it before a daemon forks.

    twistd's own parent ends with status 0 as soon as the daemon's reactor runs, and waits for ever
    for a daemon that was killed before that. So the parent waits here instead, until the server is
    ready or has ended.
    """

    def __init__(self) -> None:
        self._runner = _find_runner()
        #: Both ends of a pipe on which the daemon reports its start; empty in the foreground.
        self._pipe: list[int] = []
        if self._runner is not None and not self._runner.config["nodaemon"]:
            self._pipe = [*os.pipe()]
            self._parent = os.getpid()
            os.register_at_fork(after_in_parent=self._forked)

    def bound_log(self) -> None:
        """Keep at most `OLD_LOGS` old log files of `LOG_SIZE`; twistd would keep any number."""
        observer = getattr(getattr(self._runner, "logger", None), "_observer", None)
        file = getattr(observer, "_outFile", None)
        if isinstance(file, LogFile):
            file.rotateLength, file.maxRotatedFiles = LOG_SIZE, OLD_LOGS

    def succeeded(self) -> None:
        """The server runs: the parent ends with status 0."""
        self._tell(_READY)

    def failed(self, why: str) -> None:
        """The server can't start: the parent says why, and ends with status 1.

        Without effect after `succeeded`.
        """
        # A path may contain bytes that are not UTF-8.
        self._tell(" ".join(why.split()).encode(errors="backslashreplace"))

    def _tell(self, what: bytes) -> None:
        pipe, self._pipe = self._pipe, []
        if pipe:
            # The parent may be gone. PIPE_BUF bytes fit into an empty pipe without waiting.
            with contextlib.suppress(OSError):
                os.write(pipe[1], what[: select.PIPE_BUF])
        for end in pipe:
            os.close(end)

    def _forked(self) -> None:
        """Called after each fork: the daemon's parent waits here, and does not return."""
        if os.getpid() != self._parent:
            return
        status = 1
        try:
            os.close(self._pipe[1])
            with open(self._pipe[0], "rb") as told:  # noqa: PTH123 - a descriptor
                answer = told.read()
            status = 0 if answer == _READY else 1
            if status:
                # The text may have been cut off inside a character.
                said = answer.decode(errors="ignore")
                why = said or "the server ended before it was ready; see its log"
                # By now twistd has redirected sys.stderr to its log.
                print(f"chatroom: {why}", file=sys.__stderr__, flush=True)
        finally:
            os._exit(status)


def _find_runner() -> UnixApplicationRunner | None:
    frame = inspect.currentframe()
    while frame is not None:
        runner = frame.f_locals.get("self")
        if isinstance(runner, UnixApplicationRunner):
            return runner
        frame = frame.f_back
    return None


def end_in_order() -> None:
    """Stop the service, and end with a status other than 0.

    Once the reactor runs, twistd exits with 0 whatever happens, unless a signal ends it.
    """
    os.kill(os.getpid(), signal.SIGTERM)


class HangUp:
    """Makes SIGHUP stop the server in good order; otherwise it would kill the process at once.

    A signal that is ignored (``nohup``) stays ignored. Call both methods in the main thread.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._installed = False

    def start(self) -> None:
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            signal.signal(signal.SIGHUP, self._came)
            self._installed = True

    def stop(self) -> None:
        if self._installed:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            self._installed = False

    def _came(self, *_: object) -> None:
        # Python calls this between any two instructions; the reactor calls between two events.
        self._reactor.callFromThread(self._stop)

    @staticmethod
    def _stop() -> None:
        _log.info("Received SIGHUP, stopping")
        end_in_order()


def settle_pidfile(config: MutableMapping[str, Any]) -> None:
    """Keep a pidfile that a killed server left behind from stopping this start.

    In a restarted container the file names process 1, which is now this process; after a reboot
    it may name any other program. The data folder's lock prevents a second server. In the
    foreground there is no pidfile, unless one is asked for.

    :param config: twistd's own options; they are changed.
    """
    name = config.get("pidfile")
    if not name:
        return
    if config.get("nodaemon") and name == DEFAULT_PIDFILE:
        config["pidfile"] = ""
        return
    pidfile = Path(name)
    try:
        process = int(pidfile.read_text())
    except (OSError, ValueError):
        return
    if process == os.getpid() or not _is_twistd(process):
        # If the file can't be removed, twistd says so and ends.
        with contextlib.suppress(OSError):
            pidfile.unlink()


def _is_twistd(process: int) -> bool:
    """Whether a process is a twistd; also True if that can't be found out."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True
    return b"twistd" in command
