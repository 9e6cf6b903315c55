"""One run of the private store's program: its output, and why it ended."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile


class Run(ProcessProtocol):
    """One process, from its start to its end, and its output.

    ``ended`` fires when it has gone. Then ``why`` says how; ``by_itself``: it was no signal.

    :param hear: called with each line that it says.
    """

    #: Seconds to wait for the rest of its output once it has ended. A child of its own that
    #: rewrites the append-only file may hold the pipe open for longer.
    _GRACE = 0.2

    def __init__(
        self, reactor: Any, output: LogFile, hear: Callable[[str], None] = lambda _: None
    ) -> None:
        self._hear = hear
        self._reactor = reactor
        self._output = output
        self._lines: deque[str] = deque(maxlen=3)
        self._partial = b""
        self._grace: DelayedCall | None = None
        self.process: int | None = None
        self.ended: Deferred[None] = Deferred()
        self.why = ""
        self.by_itself = False

    def start(self, command: list[str], folder: str) -> None:
        """Start ``command`` in ``folder``, with the server's own environment."""
        self._transport = self._reactor.spawnProcess(
            self, command[0], command, env=None, path=folder
        )
        self.process = self._transport.pid

    def signal(self, name: str) -> None:
        """Send it TERM or KILL, unless it has gone."""
        with contextlib.suppress(ProcessExitedAlready):
            self._transport.signalProcess(name)

    def last_words(self) -> str:
        """The last few lines that it said."""
        return " / ".join(self._lines) or "none"

    def outReceived(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        said = [line.decode(errors="replace").strip() for line in lines if line.strip()]
        self._lines.extend(said)
        for line in said:
            self._hear(line)
        # The disk is full, perhaps, which must not end what still works.
        with contextlib.suppress(OSError):
            self._output.write(data)

    def errReceived(self, data: bytes) -> None:
        self.outReceived(data)

    def processExited(self, reason: Failure) -> None:
        self._grace = self._reactor.callLater(self._GRACE, self._end, reason)

    def processEnded(self, reason: Failure) -> None:
        if self._grace is not None and self._grace.active():
            self._grace.cancel()
        self._end(reason)

    def _end(self, reason: Failure) -> None:
        if self.ended.called:
            return
        value: Any = reason.value
        if value.signal is not None:
            self.why = f"(process {self.process}) was ended by signal {value.signal}"
        else:
            self.why = f"(process {self.process}) ended with status {value.exitCode}"
            self.by_itself = True
        self.ended.callback(None)
