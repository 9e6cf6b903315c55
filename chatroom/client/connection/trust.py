"""Which server a client that speaks TLS believes to be the one that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from chatroom.client.base.errors import Doubt, Untrusted
from chatroom.client.connection.known_servers import KnownServers
from chatroom.common.fingerprint import parse_fingerprint


class Problem(NamedTuple):
    """Why the system's roots do not vouch for a certificate.

    ``unknown``: nobody whom they know has signed it. Otherwise somebody has, but not for this name,
    or not for today.
    """

    reason: str
    unknown: bool


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
        expected = self._pinned or self._remembered(server)
        if expected == shown or (expected is None and problem is None):
            return
        if expected is not None:
            file = None if self._pinned else self.file
            raise Untrusted(
                Doubt.CHANGED, server, shown, known=expected, file=file, vouched=problem is None
            )
        assert problem is not None
        doubt = Doubt.UNKNOWN if problem.unknown else Doubt.INVALID
        raise Untrusted(doubt, server, shown, reason=problem.reason)

    def accept(self, server: str, shown: str) -> None:
        """From now on this certificate, and no other, is that server's.

        :raises OSError: it is for this run only, since it can't be kept.
        """
        if self._known is None:
            self._accepted[server] = shown
        else:
            self._known.add(server, shown)

    def _remembered(self, server: str) -> str | None:
        known = None if self._known is None else self._known.get(server)
        return known or self._accepted.get(server)
