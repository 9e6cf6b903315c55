"""Reads everything back through the protocol, with code apart from the program's."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterable
from typing import Any

from tests.system.torture.ledger import LOBBY, Place, Stored, place
from tests.wire import PlainClient

#: Seconds for one answer, where nothing is broken: only a server that hangs takes so long.
PATIENCE = 60.0


class Refused(ConnectionError):
    """The server answered, and did not do what was asked for."""


class Reader(PlainClient):
    """A plain blocking dialect 2 client: logs in, sends, and reads history.

    :raises OSError: from any method: the server is not there, hung up, refused, or took too long.
    """

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        super().__init__(port, patience=patience)

    def answer(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these types; others are passed over."""
        return self.receive_first(lambda message: message[0] in kinds)[1]

    def register(self, user: int, password: str) -> int:
        self.send(
            "RegisterMes", user={"userId": user, "userPwd": password, "userName": f"user {user}"}
        )
        return int(self.answer("RegisterResMes")["code"])

    def log_in(self, user: int, password: str, **more: object) -> dict[str, Any]:
        self.send("LoginMes", userId=user, userPwd=password, protocol=2, **more)
        answer = self.answer("LoginResMes")
        if answer["code"] != 200:
            raise Refused(f"login refused: {answer}")
        return answer

    def write(self, content: str, to: int = 0, room: str = LOBBY) -> str:
        """Send to one person, or else to a room, and do not wait; returns the message's id.

        The same content has the same id again.
        """
        name = hashlib.sha256(content.encode()).hexdigest()[:32]
        if to:
            self.send("PrivateMes", content=content, id=name, toUserId=to)
        else:
            self.send("SmsMes", content=content, id=name, room=room)
        return name

    def acknowledgement(self, *names: str) -> tuple[str, Place]:
        """Wait for that of one of these messages: its id, and its place."""
        _, answer = self.receive_first(
            lambda message: message[0] == "AckMes" and message[1]["id"] in names
        )
        if answer["code"] not in (200, 202):
            raise Refused(f"send refused: {answer}")
        return answer["id"], place(answer["seq"])

    def read_slowly(self, size: int, seconds: float) -> None:
        """Ask for all of the lobby again and again, and take so many bytes of it a second."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(50):
            self.send("HistoryMes", limit=200)
        for _ in range(int(seconds)):
            if size:
                self._socket.recv(size)
            time.sleep(1)

    def room(self, room: str = LOBBY) -> list[Stored]:
        """The whole history of the room."""
        return self._pages(room=room)

    def inbox(self, peers: Iterable[int]) -> list[Stored]:
        """The whole mailbox, by the histories with all those peers."""
        found = [stored for peer in peers for stored in self._pages(**{"with": peer})]
        return sorted(found, key=lambda stored: stored.place)

    def _pages(self, **conversation: object) -> list[Stored]:
        found: list[Stored] = []
        before: dict[str, object] = {}
        while True:
            self.send("HistoryMes", limit=200, **conversation, **before)
            page = self.answer("HistoryResMes", "ErrorMes")
            if "messages" not in page:
                raise Refused(f"no history: {page}")
            messages = page["messages"]
            found[:0] = [
                Stored(place(m["seq"]), m["userId"], m.get("toUserId", 0), m["content"])
                for m in messages
            ]
            if not page["more"]:
                return found
            before = {"before": messages[0]["seq"]}
