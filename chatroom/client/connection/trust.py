"""Which certificates a client accepts, and the file of those that a person accepted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from chatroom.client.base.errors import Doubt, Untrusted
from chatroom.common.fingerprint import parse_fingerprint


def default_path(environ: Mapping[str, str]) -> Path:
    """``chatroom/known_servers`` in the folder for settings that the XDG specification names.

    :raises RuntimeError: this user has no home.
    """
    folder = Path(environ.get("XDG_CONFIG_HOME", ""))
    # The specification says to ignore a relative path.
    base = folder if folder.is_absolute() else Path.home() / ".config"
    return base / "chatroom" / "known_servers"


class KnownServers:
    """The certificates that a person accepted: what the file said, and what was added since.

    The file has one line a server: ``HOST:PORT FINGERPRINT``.
    """

    def __init__(self, path: Path) -> None:
        """
        :raises OSError: the file can't be read; a missing file counts as empty.
        :raises ValueError: a line is invalid. If it were skipped, a known server could become
                unknown, and the person would be asked about a change that has to be refused.
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

        :raises OSError: the file can't be written.
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


class Problem(NamedTuple):
    """Why the system's roots do not vouch for a certificate."""

    doubt: Doubt
    reason: str


class Trust:
    """Decides which certificates are accepted.

    If ``fingerprint`` is given, only the certificate with it is. Otherwise, if one was accepted for
    the server before, only that one is. Otherwise any is that the system's roots vouch for, for
    the name that was asked for.

    The roots do not overrule a certificate that was accepted: a single authority among them that
    makes a mistake would be enough to impersonate a server.
    """

    def __init__(self, fingerprint: str | None = None, known: KnownServers | None = None) -> None:
        """
        :param fingerprint: in any form that `chatroom.common.fingerprint.parse_fingerprint` takes.
        :param known: what was accepted before; None: nothing was, and nothing will be kept.
        :raises ValueError: ``fingerprint`` is not one.
        """
        self._pinned = None if fingerprint is None else parse_fingerprint(fingerprint)
        self._known = known
        #: Certificates that were accepted where there is no file to keep them.
        self._accepted: dict[str, str] = {}

    @property
    def file(self) -> Path | None:
        """The file that `accept` writes to, if there is one."""
        return None if self._known is None else self._known.path

    def check(self, server: str, shown: str, problem: Problem | None) -> None:
        """Return if the server's certificate is accepted, else raise.

        :param server: ``host:port``.
        :param shown: the fingerprint of the certificate that it showed.
        :param problem: why the system's roots don't vouch for it; None: they do.
        :raises Untrusted: it is not accepted.
        """
        known = self._accepted if self._known is None else self._known
        expected = self._pinned or known.get(server)
        if expected == shown or (expected is None and problem is None):
            return
        if expected is not None:
            file = None if self._pinned else self.file
            raise Untrusted(
                Doubt.CHANGED, server, shown, known=expected, file=file, vouched=problem is None
            )
        assert problem is not None
        raise Untrusted(problem.doubt, server, shown, reason=problem.reason)

    def accept(self, server: str, shown: str) -> None:
        """From now on this certificate, and no other, is that server's.

        :raises OSError: the file can't be written; it is accepted for this run only.
        """
        if self._known is None:
            self._accepted[server] = shown
        else:
            self._known.add(server, shown)
