"""Reads everything back through the protocol, with code apart from the program's."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from typing import Any

from tests.system.torture.ledger import Stored, place


class Reader:
    """A plain blocking dialect 2 client: logs in, probes, and reads history.

    :raises OSError: from any method: the server is not there, hung up, or took too long.
    """

    def __init__(self, port: int, timeout: float = 5.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._buffer = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, kind: str, **data: object) -> None:
        body = json.dumps({"type": kind, "data": json.dumps(data)}).encode()
        self._socket.sendall(struct.pack("!I", len(body)) + body)

    def receive(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these types; others are passed over."""
        while True:
            length = struct.unpack("!I", self._take(4))[0]
            envelope = json.loads(self._take(length))
            if envelope["type"] in kinds:
                data: dict[str, Any] = json.loads(envelope["data"])
                return data

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
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
            raise ConnectionError(f"login refused: {answer}")
        return answer

    def say(self, content: str, to: int = 0) -> str:
        """Send to the room or to one person; returns the place it was acknowledged at."""
        name = secrets.token_hex(8)
        if to:
            self.send("PrivateMes", content=content, id=name, toUserId=to)
        else:
            self.send("SmsMes", content=content, id=name)
        while True:
            answer = self.receive("AckMes")
            if answer["id"] == name:
                if answer["code"] not in (200, 202):
                    raise ConnectionError(f"send refused: {answer}")
                return str(answer["seq"])

    def room(self) -> list[Stored]:
        """The whole history of the room."""
        return self._pages(room="lobby")

    def inbox(self, peers: list[int]) -> list[Stored]:
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
                raise ConnectionError(f"no history: {page}")
            messages = page["messages"]
            found[:0] = [
                Stored(place(m["seq"]), m["userId"], m.get("toUserId", 0), m["content"])
                for m in messages
            ]
            if not page["more"]:
                return found
            before = {"before": messages[0]["seq"]}
