"""A disk of a few megabytes that can be full for a while."""

from __future__ import annotations

from pathlib import Path

#: What files on a tmpfs grow by, in bytes.
PAGE = 4096


class SmallDisk:
    """A folder on a small file system of its own, such as `tests.system.torture.stage` mounts."""

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
