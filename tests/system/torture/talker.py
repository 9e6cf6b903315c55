"""The checker's own users: they say what they are told to, and see to it that it is answered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tests.system.torture.ledger import Ledger, Send
from tests.system.torture.people import PASSWORD
from tests.system.torture.reader import Reader

#: Most messages of a burst that are under way at a time.
WINDOW = 20


class Talker:
    """One of them. Each time on a connection of its own, past the proxy; blocks: for a thread.

    :param port: where the server is.
    """

    def __init__(self, port: int, ledger: Ledger, user: int) -> None:
        self._port = port
        self._ledger = ledger
        self._user = user
        self._count = 0
        self._open: list[Send] = []

    def new(self, to: int = 0, more: str = "") -> Send:
        """A message that no one else says, to be sent."""
        self._count += 1
        send = self._ledger.sending(f"{self._user}#{self._count}{more}", self._user, "talker", to)
        self._open.append(send)
        return send

    @property
    def unanswered(self) -> int:
        return len(self._open)

    def insist(self, patience: float) -> None:
        """Send again, under the same ids, all that has no answer yet.

        :param patience: seconds for each answer.
        :raises OSError: not everything was acknowledged, this time.
        """
        with self._connected(patience) as reader:
            for send in tuple(self._open):
                self._one_of({reader.write(send.content, send.to): send}, reader)

    def burst(self, size: int, most: int, patience: float) -> None:
        """Say so many messages of so many bytes, `WINDOW` under way at a time.

        :raises OSError: one was refused or not answered; the others may still have been stored.
        """
        under_way: dict[str, Send] = {}
        with self._connected(patience) as reader:
            for _ in range(most):
                send = self.new(more="x" * size)
                under_way[reader.write(send.content)] = send
                if len(under_way) >= WINDOW:
                    self._one_of(under_way, reader)
            while under_way:
                self._one_of(under_way, reader)

    def _one_of(self, under_way: dict[str, Send], reader: Reader) -> None:
        name, where = reader.acknowledgement(*under_way)
        send = under_way.pop(name)
        send.acknowledged = where
        self._open.remove(send)

    @contextlib.contextmanager
    def _connected(self, patience: float) -> Iterator[Reader]:
        reader = Reader(self._port, patience)
        try:
            reader.log_in(self._user, PASSWORD)
            yield reader
        finally:
            reader.close()


def tried(what: Callable[[], object]) -> bool:
    """Do what may fail, since something is broken; whether it did not."""
    try:
        what()
    except OSError:
        return False
    return True
