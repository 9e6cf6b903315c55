"""A disk of a few megabytes that can be full for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.torture.stage import small_disk

#: What files on a tmpfs grow by, in bytes.
PAGE = 4096


class SmallDisk:
    """A folder on a small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Take all the room there is but for so many bytes, in whole pages."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * PAGE)
            except OSError:
                pass
            file.truncate(max(0, file.tell() // PAGE * PAGE - leave // PAGE * PAGE))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[SmallDisk]:
    """A disk of that size; without root the test is left out."""
    try:
        with small_disk(folder, size) as mount:
            yield SmallDisk(mount)
    except PermissionError as error:
        pytest.skip(str(error))
