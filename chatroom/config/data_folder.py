"""The data folder: creates, checks and locks it, and keeps the node's name in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
from collections.abc import Iterator
from pathlib import Path

from chatroom.config.errors import StartError


class DataFolder:
    """A folder that belongs to one running server at a time.

    The lock is an ``flock``, which the processes that twistd forks when it daemonises inherit, and
    which the kernel gives back whatever kills the last of them. Programs that the server starts do
    not inherit it.
    """

    def __init__(self, path: Path, owner: tuple[int, int] | None = None) -> None:
        """
        :param path: absolute, since twistd changes to another folder on its way.
        :param owner: user and group that the process will change to before it works there.
        """
        self.path = path
        self._owner = owner
        self._lock: int | None = None

    def open(self) -> None:
        """Create the folder unless it exists, and lock it.

        To be called before the reactor runs and twistd forks, so that an error reaches the person
        who starts the server.

        :raises StartError: it can't be used, or another server uses it.
        """
        with usable(self.path):
            if not self.path.exists():
                self.path.mkdir(mode=0o700, parents=True)
                self._give(self.path)
            elif self._owner is None and os.geteuid() == 0:
                # Started by root for somebody else (``twistd --uid`` tells chatroom.tac nothing of
                # it): what is made in the folder belongs to whom the folder belongs to.
                status = self.path.stat()
                self._owner = status.st_uid, status.st_gid
            self._check()
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._give(self.path / "lock")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
                os.close(lock)
                if not isinstance(error, BlockingIOError):
                    raise
                raise StartError(
                    f"data folder {self.path} is in use by the chat server with process id "
                    f"{holder or 'unknown'}; stop it or give --data another folder"
                ) from None
        self._lock = lock
        self.record_process()

    def record_process(self) -> None:
        """Write the process id into the lock file; after a fork once more."""
        if self._lock is None:
            raise RuntimeError("the data folder is not open")
        # Always as long, over what was there: needs no room on a full disk. Nothing depends on it.
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, b"%-10d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Release the lock, as the end of the process does too."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def subfolder(self, name: str) -> Path:
        """A folder in it that only the server's user can enter, created unless it exists.

        :raises StartError: it can't be made.
        """
        folder = self.path / name
        with usable(self.path):
            if not folder.exists():
                folder.mkdir(mode=0o700)
                self._give(folder)
        return folder

    def node_name(self) -> str:
        """A name for this server among others: random the first time, and the same ever after.

        :raises StartError: it can't be read or written.
        """
        file = self.path / "node"
        name = self.read(file)
        if name is None:
            name = f"node-{secrets.token_hex(6)}\n".encode("ascii")
            self.write(file, name)
        return name.decode("ascii").strip()

    def read(self, file: Path) -> bytes | None:
        """The content of a file in it; None: there is no such file.

        :raises StartError: it can't be read.
        """
        with usable(self.path), contextlib.suppress(FileNotFoundError):
            return file.read_bytes()
        return None

    def write(self, file: Path, content: bytes) -> None:
        """Put a file in it that only the server's user can read: whole or, in a crash, not at all.

        :raises StartError: it can't be written.
        """
        fresh = file.with_name(f"{file.name}.new")
        with usable(self.path):
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as writing:  # noqa: PTH123 - a handle, not a path
                writing.write(content)
                writing.flush()
                os.fsync(handle)
            self._give(fresh)
            fresh.rename(file)

    def _give(self, path: Path) -> None:
        if self._owner is not None and os.geteuid() == 0:
            os.chown(path, *self._owner)

    def _check(self) -> None:
        status = self.path.stat()
        if not self.path.is_dir():
            raise StartError(f"{self.path} is not a folder; give --data another one")
        if status.st_mode & 0o002:
            raise StartError(
                f"every user of this machine can write to {self.path}; "
                "give --data a folder of its own"
            )
        if self._owner is not None and status.st_uid != self._owner[0]:
            user = _user(self._owner[0])
            raise StartError(
                f"data folder {self.path} belongs to user {_user(status.st_uid)}, and the server "
                f"runs as {user}: chown -R {user} it, or give --data another folder"
            )


@contextlib.contextmanager
def usable(folder: Path) -> Iterator[None]:
    """:raises StartError: for an `OSError`, which keeps ``folder`` from being used."""
    try:
        yield
    except OSError as error:
        raise StartError(
            f"data folder {folder} can't be used by user {_user(os.geteuid())}: "
            f"{error.strerror} ({error.filename or folder}); give --data another folder"
        ) from None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
