"""The last steps before a private store's program takes this process over.

Run as a script, by a bare interpreter (``python -I -S``), so that it costs some 15 ms: what has to
be done between fork and exec can't be handed to the reactor's ``spawnProcess``.

    launcher.py PARENT LOCK PROGRAM [ARGUMENT...]

The program holds a lock on the file LOCK, where its process id stands, for as long as it lives: a
POSIX record lock passes through exec, is not inherited by the program's own children, and goes with
the process. So whether it still lives can be seen without trusting a process id.
"""

import fcntl
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def main(parent: str, lock: str, *command: str) -> None:
    """Become ``command``.

    :param parent: process id of the server that it works for, and must not outlive.
    """
    # A session of its own: Ctrl-C at the server's terminal must not stop the store before the
    # server has written its last.
    os.setsid()
    os.umask(0o077)
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("the store that ran here before has not ended")
    # Always as long, over what was there: needs no room on a full disk.
    os.pwrite(file, b"%-10d\n" % os.getpid(), 0)
    os.set_inheritable(file, True)
    _end_with(int(parent))
    os.execv(command[0], command)  # nosec B606 # noqa: S606 - no shell is wanted


def _end_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the server dies; where it can't, the next start does it."""
    if sys.platform != "linux":
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        sys.exit("the chat server ended meanwhile")


if __name__ == "__main__":
    main(*sys.argv[1:])
