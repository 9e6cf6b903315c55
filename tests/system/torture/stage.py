"""What the stage is set with: slow, small and full disks, and a program with a fault in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

_numbers = count()

_SLOW_DISK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static void wait_for_the_disk(void) {
    struct timespec pause = {0, 800000000};
    nanosleep(&pause, 0);
}
int fdatasync(int fd) { wait_for_the_disk(); return syscall(SYS_fdatasync, fd); }
int fsync(int fd) { wait_for_the_disk(); return syscall(SYS_fsync, fd); }
"""


def slow_disk(folder: Path) -> Path:
    """A library that makes each sync to the disk take most of a second; needs a C compiler.

    :raises PermissionError: there is none here.
    """
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise PermissionError("only with a C compiler, on Linux, the disk can be made slow")
    source, library = folder / "slow_disk.c", folder / "slow_disk.so"
    source.write_text(_SLOW_DISK, "ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of that size, mounted in ``folder``; needs root.

    :raises PermissionError: it can't be mounted here.
    """
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        raise PermissionError("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    done = subprocess.run(  # our own folder
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True
    )
    if done.returncode:
        raise PermissionError(done.stderr.decode().strip())
    try:
        yield disk
    finally:
        subprocess.run([umount, "-l", str(disk)], check=False)  # our own folder


class Ballast:
    """Takes the room on a disk, all but ``left`` bytes of it."""

    def __init__(self, disk: Path, left: int = 0) -> None:
        self._file = disk / f"ballast{next(_numbers)}"
        self._left = left

    def grow(self) -> None:
        """Take what room there is now."""
        with self._file.open("ab") as file, contextlib.suppress(OSError):
            disk = os.fstatvfs(file.fileno())
            free = disk.f_bavail * disk.f_frsize - self._left
            if free > 0:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)

    def drop(self) -> None:
        """Give it back."""
        self._file.unlink(missing_ok=True)


def mutated_code(checkout: Path, folder: Path, changes: tuple[tuple[str, str, str], ...]) -> Path:
    """A copy of the program with a fault put into it.

    :param changes: file, text that stands there exactly once, what to put in its place.
    """
    code = folder / "code"
    shutil.copytree(checkout / "chatroom", code / "chatroom")
    shutil.copytree(checkout / "twisted" / "plugins", code / "twisted" / "plugins")
    for name, before, after in changes:
        file = code / name
        text = file.read_text("utf-8")
        if text.count(before) != 1:
            raise ValueError(f"{name} holds {before!r} {text.count(before)} times, not once")
        file.write_text(text.replace(before, after), "utf-8")
    return code
