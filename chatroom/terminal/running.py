"""Runs the menus on standard input and output until they end or a signal ends them."""

from __future__ import annotations

import argparse
import contextlib
import locale
import os
import signal
import stat
import sys
from types import FrameType
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.python.failure import Failure

from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.endpoint import client_endpoint
from chatroom.client.connection.trust import KnownServers, Trust, default_path
from chatroom.common.clock import Clock
from chatroom.terminal import texts
from chatroom.terminal.menus import Menus
from chatroom.terminal.screen import Style, has_colour, is_capable
from chatroom.terminal.screen.glyphs import harmless_name
from chatroom.terminal.screen.lines import LineScreen
from chatroom.terminal.screen.terminal import TerminalScreen
from chatroom.terminal.screen.tty import TtyMode, can_be_stopped, wait_for_front
from chatroom.terminal.wording import Wording

#: Signals that end the program: the first one in good order, a second one at once.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Blocking:
    """Restores whether the three standard files block, as it was found.

    The shell's other programs share these files, and expect them unchanged: a program that reads
    from a non-blocking terminal takes it to be broken.
    """

    def __init__(self) -> None:
        self._found = self._now()
        #: Our own settings when `restore` was called; empty if it was not.
        self._ours: list[tuple[int, bool]] = []

    def restore(self) -> None:
        """Set what was found; plain system calls only, as signal handlers call this."""
        self._ours = self._now()
        self._set(self._found)

    def resume(self) -> None:
        """Undo `restore`; does nothing if that was not called (SIGSTOP can't be caught)."""
        self._set(self._ours)
        self._ours = []

    @staticmethod
    def _now() -> list[tuple[int, bool]]:
        return [(fd, os.get_blocking(fd)) for fd in range(3)]

    @staticmethod
    def _set(states: list[tuple[int, bool]]) -> None:
        for fd, blocking in states:
            with contextlib.suppress(OSError):
                os.set_blocking(fd, blocking)


def run(settings: argparse.Namespace, reactor: Any) -> int:
    """Run to the end; returns the exit status."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    say = texts.translation(settings.lang)
    try:
        trust = _trust(settings)
        endpoint = client_endpoint(reactor, settings.server, trust or False)
        _begin_log(settings)
    except (OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"chatroom: {harmless_name(str(error))}\n")
        return 2
    found = Blocking()
    mode = TtyMode(0)
    screen = _screen(mode, reactor)
    program = _Program(reactor, screen, found, say)

    def make_client(**callbacks: Any) -> ChatClient:
        return ChatClient(endpoint, reactor=reactor, **callbacks)

    menus = Menus(
        *(screen, Wording(say), reactor, settings.server, make_client, trust),
        invite=settings.invite,
    )
    try:
        reactor.callWhenRunning(program.start, menus)
        reactor.run(installSignalHandlers=False)
    finally:
        found.restore()
        mode.leave()
    if program.error is not None:
        reason = harmless_name(program.error.getErrorMessage())
        sys.stderr.write(say(texts.INTERNAL).format(reason=reason) + "\n")
    return program.signalled or program.status


def _trust(settings: argparse.Namespace) -> Trust | None:
    """Which certificates to accept; None: TLS was not asked for."""
    if settings.tls_fingerprint is not None:
        return Trust(settings.tls_fingerprint)
    return Trust(known=KnownServers(default_path(os.environ))) if settings.tls else None


def _begin_log(settings: argparse.Namespace) -> None:
    """Log to a file if one is given; the screen is for the conversation."""
    observers: list[Any] = []
    if settings.log is not None:
        observers.append(textFileLogObserver(settings.log.open("a", encoding="utf-8")))
    globalLogBeginner.beginLoggingTo(observers, discardBuffer=True, redirectStandardIO=False)


def _screen(mode: TtyMode, clock: Clock) -> LineScreen | TerminalScreen:
    """The screen that suits standard input and output."""
    from_terminal, to_terminal = os.isatty(0), os.isatty(1)
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    colour = has_colour(os.environ, to_terminal)
    if from_terminal and to_terminal and is_capable(os.environ):
        return TerminalScreen(encoding, mode, _size, clock, colour=colour)
    kind = os.fstat(1).st_mode
    return LineScreen(
        *(encoding, sys.stderr),
        colour=colour,
        mode=mode if from_terminal else None,
        read=stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind),
    )


def _size() -> tuple[int, int]:
    """Columns and rows of the terminal; some don't know theirs."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        columns, rows = 0, 0
    return columns or 80, rows or 24


class _StandardIO(StandardIO):
    """Tells an input that can't be read (a folder, say) from one that has ended."""

    protocol: LineScreen | TerminalScreen

    def childConnectionLost(self, fd: str, reason: Failure) -> None:
        if fd == "read" and isinstance(self.protocol, LineScreen):
            if not reason.check(ConnectionDone):
                self.protocol.read_failed()
        super().childConnectionLost(fd, reason)  # type: ignore[misc]  # Twisted has no types here


class _Program:
    """The running menus: their signals, and how they end."""

    def __init__(
        self,
        reactor: Any,
        screen: LineScreen | TerminalScreen,
        found: Blocking,
        say: texts.Translate,
    ) -> None:
        self.status = 1
        #: The exit status after a signal, which overrides any other; 0: no signal came.
        self.signalled = 0
        #: An unexpected error: a fault in the program.
        self.error: Failure | None = None
        self._reactor = reactor
        self._screen = screen
        self._found = found
        self._say = say
        #: The terminal was given back, and not taken again yet.
        self._suspended = False
        self._running: Deferred[None] | None = None

    def start(self, menus: Menus) -> None:
        self._running = Deferred.fromCoroutine(self._run(menus))
        self._running.addErrback(self._broke)
        self._running.addBoth(lambda _: self._stop())

    async def _run(self, menus: Menus) -> None:
        self._take_signals()
        if self._screen.interactive:
            # Non-blocking mode is set on the terminal itself, which another job may read now.
            wait_for_front(0)
        _StandardIO(self._screen, reactor=self._reactor)  # type: ignore[no-untyped-call]  # nor here
        try:
            self.status = await menus.run()
            if self.status == 0 and not self._screen.interactive:
                self._look_for_leftovers()
        finally:
            await self._screen.close()
        if self.status == 0 and isinstance(self._screen, LineScreen):
            self._complain(self._screen.loss)

    def _look_for_leftovers(self) -> None:
        """Complain if lines are left over: the script is out of step with the questions."""
        assert isinstance(self._screen, LineScreen)
        with contextlib.suppress(OSError):
            self._screen.dataReceived(os.read(0, 8192))
        if self._screen.left_over and not self._screen.loss:
            self._complain(texts.LEFT_OVER)

    def _complain(self, text: str) -> None:
        if text:
            self.status = 1
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(self._say(text) + "\n")

    def _take_signals(self) -> None:
        for number in _ENDING:
            # A shell's background job ignores Ctrl-C, which is meant for the foreground job.
            if self._screen.interactive or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._signalled)
        # A write to a closed pipe is to fail, not to end the program.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        if self._screen.interactive:
            if signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN:
                signal.signal(signal.SIGTSTP, self._suspend)
            signal.signal(signal.SIGCONT, self._continue)
            # If SIGTTOU were ignored, we could change the terminal from the background.
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        if isinstance(self._screen, TerminalScreen):
            signal.signal(signal.SIGWINCH, self._resized)

    def _broke(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.error = failure

    def _stop(self) -> None:
        if self._reactor.running:
            self._reactor.stop()

    # ---------------------------------------------------------------- signals

    def _signalled(self, number: int, _: FrameType | None) -> None:
        self.signalled = 128 + number
        self._reactor.callFromThread(self._end, 128 + number)

    def _end(self, status: int) -> None:
        if self.status > 128 or self._running is None:
            self._stop()
        else:
            self.status = status
            self._running.cancel()

    def _suspend(self, *_: object) -> None:
        if not can_be_stopped():
            # If we gave the terminal back and went on running, a typed password would be shown.
            notice = self._say(texts.NOT_STOPPED)
            self._reactor.callFromThread(self._screen.show, notice, Style.NOTICE)
            return
        self._suspended = True
        self._found.restore()
        self._screen.suspend()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Some processes are not stopped all the same, such as the first one of a container.
        if self._suspended:
            self._continue()

    def _continue(self, *_: object) -> None:
        if self._suspended:
            signal.signal(signal.SIGTSTP, self._suspend)
        self._suspended = False
        if self.signalled:
            # We are ending: taking the terminal in the background would stop us again.
            return
        self._screen.retake()
        self._found.resume()
        self._reactor.callFromThread(self._screen.resume)

    def _resized(self, *_: object) -> None:
        assert isinstance(self._screen, TerminalScreen)
        self._reactor.callFromThread(self._screen.resized)
