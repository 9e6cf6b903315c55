"""A client as the original program's: it reads a frame's head and its body with one read each."""

from __future__ import annotations

import threading
from typing import Any

from tests.system.original_client import OriginalConnection, Torn
from tests.system.torture.ledger import INBOX, LOBBY, Device, Ledger

#: What a private message to it begins with, and what the server itself has to say.
_PRIVATE, _SYSTEM = "[私聊] ", "[系统]"
#: Seconds for the rest of a frame that has begun: only a server that hangs takes so long.
_PATIENCE = 60


class OriginalClient:
    """Logs in once, reads until the connection ends, and counts torn frames."""

    def __init__(self, port: int, ledger: Ledger, user: int, password: str) -> None:
        self._ledger = ledger
        self._user = user
        self._password = password
        self._port = port
        self._number = 0
        self.torn = 0
        self.refused = 0
        self._inbox = ledger.device(user, f"original {user}", original=INBOX)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the connection, and wait for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * _PATIENCE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._converse()
            except Torn:
                self.torn += 1
            except OSError:
                self._stop.wait(0.2)

    def _converse(self) -> None:
        # Who hangs up on an answer that is under way may lose what came with it.
        with OriginalConnection(self._port, patience=_PATIENCE) as connection:
            if connection.log_in(self._user, self._password) != 200:
                self.refused += 1
                self._stop.wait(0.2)
                return
            self._number += 1
            # The room is judged connection by connection: what is said while it is away, it misses.
            name = f"original {self._user}.{self._number}"
            room = self._ledger.device(self._user, name, original=LOBBY)
            while not self._stop.is_set():
                try:
                    self._note(*connection.receive(0.5), room)
                except TimeoutError:
                    continue

    def _note(self, kind: str, data: dict[str, Any], room: Device) -> None:
        if kind != "SmsMes":
            return
        content = data["content"]
        if content.startswith(_PRIVATE):
            self._inbox.shown[INBOX].append(((0, 0), content.removeprefix(_PRIVATE)))
        elif not content.startswith(_SYSTEM):
            room.shown[LOBBY].append(((0, 0), content))
