"""The certificates that a person accepted, one line a server: ``HOST:PORT FINGERPRINT``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from chatroom.common.fingerprint import parse_fingerprint


def default_path(environ: Mapping[str, str]) -> Path:
    """``chatroom/known_servers`` in the folder for settings that the XDG specification names.

    :raises RuntimeError: this user has no home.
    """
    folder = Path(environ.get("XDG_CONFIG_HOME", ""))
    # The specification has a relative one ignored.
    base = folder if folder.is_absolute() else Path.home() / ".config"
    return base / "chatroom" / "known_servers"


class KnownServers:
    """What the file said when it was read, and what was added since."""

    def __init__(self, path: Path) -> None:
        """
        :raises OSError: the file can't be read; none at all is as an empty one.
        :raises ValueError: a line can't be understood. Passing over it could make a server unknown
            that was known, and its person would be asked where a change has to be refused.
        """
        self.path = path
        self._known: dict[str, str] = {}
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                server, shown = line.split()
                self._known[server.lower()] = parse_fingerprint(shown)
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: not a server and its fingerprint; correct or remove it"
                ) from None

    def get(self, server: str) -> str | None:
        """The fingerprint that was accepted.

        :param server: ``host:port`` or ``[v6]:port``.
        """
        return self._known.get(server.lower())

    def add(self, server: str, shown: str) -> None:
        """Accept a certificate: for this run in any case, and in the file for later ones.

        :raises OSError: it can't be written.
        """
        self._known[server.lower()] = shown
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write at the end: another client may be adding a line at the same time.
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            complete = not size or os.pread(file, 1, size - 1) == b"\n"
            line = f"{server.lower()} {shown}\n"
            os.write(file, (line if complete else "\n" + line).encode("utf-8"))
        finally:
            os.close(file)
