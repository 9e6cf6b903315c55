"""A wall clock that a test sets, for the programs that it starts."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("wall_clock.c")
_NUMBER = struct.Struct("q")
_SECOND = 1_000_000_000


def compiled(folder: Path) -> Path:
    """The library that is preloaded; the test is skipped where there can be none."""
    compiler = shutil.which("cc")
    if sys.platform != "linux":
        pytest.skip("a program's clock is set by LD_PRELOAD, which is Linux's")
    if compiler is None:
        pytest.skip("no C compiler (cc) here, to make what sets a program's clock")
    library = folder / "wall_clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"],
        check=True,
    )
    return library


class WallClock:
    """Shared by all programs that get its ``environment``."""

    def __init__(self, library: Path, file: Path) -> None:
        file.write_bytes(bytes(2 * _NUMBER.size))
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_FILE": str(file)}
        self._file = file.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), 2 * _NUMBER.size)

    def close(self) -> None:
        self._memory.close()
        self._file.close()

    def set(self, ahead: float) -> None:
        """Let it be that many seconds ahead of the machine's, or behind."""
        _NUMBER.pack_into(self._memory, 0, round(ahead * _SECOND))

    @property
    def now(self) -> float:
        """What the programs take for the time, in seconds since 1970."""
        return float(time.time() + _NUMBER.unpack_from(self._memory, 0)[0] / _SECOND)

    @property
    def syncs(self) -> int:
        """How often one of the programs has synced a file."""
        return int(_NUMBER.unpack_from(self._memory, _NUMBER.size)[0])
