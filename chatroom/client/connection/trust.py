"""Whose certificate a client believes, and the file of those that a person accepted."""

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
    # The specification has a relative one ignored.
    base = folder if folder.is_absolute() else Path.home() / ".config"
    return base / "chatroom" / "known_servers"


class KnownServers:
    """The certificates that a person accepted: what the file said, and what was added since.

    The file has one line a server: ``HOST:PORT FINGERPRINT``.
    """

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


class Problem(NamedTuple):
    """Why the system's roots do not vouch for a certificate."""

    doubt: Doubt
    reason: str


class Trust:
    """Whom to believe.

    The certificate with ``fingerprint`` and no other, where that is given. Else the one that was
    accepted for the server before, and no other. Else one that the system's roots vouch for, for
    the name that was asked for.

    What was accepted once is not overruled by the roots: of all the authorities among them, one
    that errs would be enough to take a server's place.
    """

    def __init__(self, fingerprint: str | None = None, known: KnownServers | None = None) -> None:
        """
        :param fingerprint: in any form that `chatroom.common.fingerprint.parse_fingerprint` takes.
        :param known: what was accepted before; None: nothing was, and nothing will be kept.
        :raises ValueError: ``fingerprint`` is none.
        """
        self._pinned = None if fingerprint is None else parse_fingerprint(fingerprint)
        self._known = known
        #: What was accepted where no file keeps it.
        self._accepted: dict[str, str] = {}

    @property
    def file(self) -> Path | None:
        """Where `accept` keeps what it is given."""
        return None if self._known is None else self._known.path

    def check(self, server: str, shown: str, problem: Problem | None) -> None:
        """Whether the server is to be believed.

        :param server: ``host:port``.
        :param shown: the fingerprint of the certificate that it showed.
        :param problem: None: the system's roots vouch for that.
        :raises Untrusted: it is not.
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

        :raises OSError: it is for this run only, since it can't be kept.
        """
        if self._known is None:
            self._accepted[server] = shown
        else:
            self._known.add(server, shown)
