"""Reads everything back through the protocol, with code apart from the program's."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any

from tests.system.torture.ledger import LOBBY, Place, Stored, place

#: Seconds for one answer, where nothing is broken: only a server that hangs takes so long.
PATIENCE = 60.0


class Refused(ConnectionError):
    """The server answered, and did not do what was asked for."""


class Reader:
    """A plain blocking dialect 2 client: logs in, sends, and reads history.

    :param patience: seconds for each answer, whatever else comes meanwhile.
    :raises OSError: from any method: the server is not there, hung up, refused, or took too long.
    """

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._buffer = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, kind: str, **data: object) -> None:
        body = json.dumps({"type": kind, "data": json.dumps(data)}).encode()
        self._socket.sendall(struct.pack("!I", len(body)) + body)

    def receive(self, *kinds: str, until: float | None = None) -> dict[str, Any]:
        """The next message of one of these types; others are passed over.

        :param until: the monotonic time by which it has to come; patience from now if left out.
        """
        until = time.monotonic() + self._patience if until is None else until
        while True:
            length = struct.unpack("!I", self._take(4, until))[0]
            envelope = json.loads(self._take(length, until))
            if envelope["type"] in kinds:
                data: dict[str, Any] = json.loads(envelope["data"])
                return data

    def _take(self, size: int, until: float) -> bytes:
        while len(self._buffer) < size:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the server did not answer")
            self._socket.settimeout(left)
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the server hung up")
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def register(self, user: int, password: str) -> int:
        self.send(
            "RegisterMes", user={"userId": user, "userPwd": password, "userName": f"user {user}"}
        )
        return int(self.receive("RegisterResMes")["code"])

    def log_in(self, user: int, password: str, **more: object) -> dict[str, Any]:
        self.send("LoginMes", userId=user, userPwd=password, protocol=2, **more)
        answer = self.receive("LoginResMes")
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
        until = time.monotonic() + self._patience
        while True:
            answer = self.receive("AckMes", until=until)
            if answer["id"] in names:
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
            page = self.receive("HistoryResMes", "ErrorMes")
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
