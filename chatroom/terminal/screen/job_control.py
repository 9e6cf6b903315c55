"""Whether the terminal is ours, and whether Ctrl-Z may stop us: only if a shell can continue us."""

from __future__ import annotations

import os
import signal


def can_be_stopped() -> bool:
    """Whether SIGTSTP stops this process's group.

    POSIX has it ignored in an orphaned group: where no parent of its members is in the same
    session and outside of it, there is no shell that would ever continue them. A child in the group
    tries it.
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
    """Whether the terminal at ``fd`` is ours just now, and not another job's of its session."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        # It is no session's, or gone: then it is nobody else's either.
        return True


def wait_for_front(fd: int) -> None:
    """In the background, stop, as the kernel stops a program that changes the terminal."""
    while not is_in_front(fd) and can_be_stopped():
        os.kill(0, signal.SIGTTOU)
