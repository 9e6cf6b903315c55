"""Reads as the original Go client reads: one read for a frame's head, and one for its body."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from typing import Any

from tests.system.wire_client import PATIENCE

#: The buffer that it reads into; it panics where a frame is larger.
BUFFER = 8096


class Torn(AssertionError):
    """The original client would have died here."""


class OriginalClient:
    """A logged in original client, reading on a thread of its own.

    :param slow: seconds that it takes for each frame.
    """

    def __init__(self, port: int, user_id: int, password: str, *, slow: float = 0) -> None:
        self.contents: list[str] = []
        self.torn: Torn | None = None
        self._slow = slow
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.user_id = user_id
        self.send("LoginMes", {"userId": user_id, "userPwd": password, "userName": ""})
        name, answer = self._frame()
        assert (name, answer["code"]) == ("LoginResMes", 200)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def send(self, name: str, data: dict[str, Any]) -> None:
        payload = json.dumps({"type": name, "data": json.dumps(data)}).encode()
        # Two writes, as it does it.
        self._socket.sendall(struct.pack(">I", len(payload)))
        self._socket.sendall(payload)

    def say(self, content: str) -> None:
        self.send("SmsMes", {"content": content, "userId": self.user_id, "userPwd": ""})

    def close(self) -> None:
        self._socket.close()

    def wait_for(self, content: str, seconds: float = PATIENCE) -> None:
        """Wait until that was read whole."""
        deadline = time.monotonic() + seconds
        while content not in self.contents:
            if self.torn is not None:
                raise self.torn
            assert time.monotonic() < deadline, f"{content!r} never came"
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            while True:
                name, data = self._frame()
                if name == "SmsMes":
                    self.contents.append(data["content"])
                assert name in ("SmsMes", "NotifyUserStatusMes"), name
                if self._slow:
                    time.sleep(self._slow)
        except Torn as torn:
            self.torn = torn
        except OSError:
            return

    def _frame(self) -> tuple[str, dict[str, Any]]:
        head = self._socket.recv(4)
        if len(head) != 4:
            raise Torn(f"a head of {len(head)} bytes")
        (length,) = struct.unpack(">I", head)
        if not 0 < length <= BUFFER:
            raise Torn(f"a frame of {length} bytes")
        body = self._socket.recv(length)
        if len(body) != length:
            raise Torn(f"{len(body)} of {length} bytes")
        envelope = json.loads(body)
        return envelope["type"], json.loads(envelope["data"])
