"""The kernel's side of the terminal: which job has it, and how it handles what is typed."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from typing import Any, Final

from chatroom.terminal.screen.keys import PASTE_OFF, PASTE_ON

_IFLAG, _LFLAG, _CC = 0, 3, 6
#: Without these the kernel changes no typed characters, and Ctrl-S does not freeze the screen.
_INPUT_OFF: Final = termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
#: No line editing and no echo by the kernel. Its signals stay: Ctrl-C and Ctrl-Z always work.
_LOCAL_OFF: Final = termios.ICANON | termios.ECHO | termios.IEXTEN


class TtyMode:
    """Sets the mode of the terminal at ``fd``, and restores the one that was found.

    It uses plain system calls only, so that it works in a signal handler, and after everything else
    has failed.
    """

    def __init__(self, fd: int, output: int = 1) -> None:
        self._fd = fd
        self._output = output
        self._found: list[Any] | None = None
        self._keys = False

    def key_by_key(self) -> None:
        """Hand over each key as it is pressed, and mark what is pasted."""
        mode = self._remember()
        mode[_IFLAG] &= ~_INPUT_OFF
        mode[_LFLAG] &= ~_LOCAL_OFF
        mode[_CC] = [*mode[_CC]]
        mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
        self._set(mode)
        self._keys = True
        self._tell(PASTE_ON)

    def hide(self) -> None:
        """Stay in line mode, but don't show what is typed."""
        mode = self._remember()
        mode[_LFLAG] &= ~termios.ECHO
        self._set(mode)

    def leave(self) -> None:
        """Restore the mode that was found; does nothing if nothing was changed."""
        found, self._found = self._found, None
        keys, self._keys = self._keys, False
        # In the background, the terminal and its mode belong to another program.
        if found is None or not is_in_front(self._fd):
            return
        self._set(found)
        if keys:
            self._tell(PASTE_OFF)

    def _remember(self) -> list[Any]:
        wait_for_front(self._fd)
        found = termios.tcgetattr(self._fd)
        if self._found is None:
            self._found = found
        return [*found]

    def _set(self, mode: list[Any]) -> None:
        # A terminal that is gone has no mode any more.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)

    def _tell(self, sequence: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._output, sequence.encode())


def can_be_stopped() -> bool:
    """Whether SIGTSTP stops this process's group.

    POSIX ignores the signal in an orphaned process group: no parent of its members is outside the
    group and in the same session, so no shell would ever continue them. A child in the group tries
    it.
    """
    try:
        child = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", "kill -TSTP $$"],
            os.environ,
            setsigdef=[signal.SIGTSTP],
            setsigmask=[],
        )
    except OSError:
        return False
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def is_in_front(fd: int) -> bool:
    """Whether this process is in the foreground of the terminal at ``fd``."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        # The terminal belongs to no session, or is gone: no other job has it either.
        return True


def wait_for_front(fd: int) -> None:
    """In the background, stop, as the kernel stops a program that changes the terminal."""
    while not is_in_front(fd) and can_be_stopped():
        os.kill(0, signal.SIGTTOU)
