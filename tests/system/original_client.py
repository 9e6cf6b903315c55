"""Reads as the original Go client reads: one read for a frame's head, and one for its body."""

from __future__ import annotations

import threading
import time

from tests.wire import HEAD, PATIENCE, Plain, PlainClient, plain_frame, read_plain

#: The buffer that it reads into; it panics where a frame is larger.
BUFFER = 8096


class Torn(AssertionError):
    """The original client would have died here."""


class OriginalConnection(PlainClient):
    """The original client's way with the bytes."""

    def send(self, kind: str, **data: object) -> None:
        frame = plain_frame(kind, **data)
        # Two writes, as it does it.
        self.send_bytes(frame[:HEAD])
        self.send_bytes(frame[HEAD:])

    def receive(self, seconds: float | None = None) -> Plain:
        """The next frame; of one that has begun, the rest may take its time.

        :raises Torn: it did not come whole, or does not fit.
        """
        self._socket.settimeout(self._patience if seconds is None else seconds)
        head = self._socket.recv(HEAD)
        if not head:
            raise ConnectionError("the server hung up")
        if len(head) != HEAD:
            raise Torn(f"a head of {len(head)} bytes")
        length = int.from_bytes(head)
        if not 0 < length <= BUFFER:
            raise Torn(f"a frame of {length} bytes")
        self._socket.settimeout(self._patience)
        try:
            body = self._socket.recv(length)
        except TimeoutError:
            raise ConnectionError("the rest of a frame did not come") from None
        # Cut off by the end of the connection, or torn: the next read tells.
        if len(body) < length and not (body and self._socket.recv(1)):
            raise ConnectionError("the server hung up")
        if len(body) < length:
            raise Torn(f"{len(body)} of {length} bytes")
        return read_plain(body)

    def log_in(self, user_id: int, password: str) -> int:
        """The answer's code."""
        self.send("LoginMes", userId=user_id, userPwd=password, userName="")
        kind, answer = self.receive()
        assert kind == "LoginResMes"
        return int(answer["code"])


class OriginalClient(OriginalConnection):
    """A logged in original client, reading on a thread of its own.

    :param slow: seconds that it takes for each frame.
    """

    def __init__(self, port: int, user_id: int, password: str, *, slow: float = 0) -> None:
        super().__init__(port)
        self.contents: list[str] = []
        #: What ended it: torn, or hung up on.
        self.torn: Torn | ConnectionError | None = None
        self._slow = slow
        self.user_id = user_id
        assert self.log_in(user_id, password) == 200
        threading.Thread(target=self._read_all, daemon=True).start()

    def say(self, content: str) -> None:
        self.send("SmsMes", content=content, userId=self.user_id, userPwd="")

    def wait_for(self, content: str, seconds: float = PATIENCE) -> None:
        """Wait until that was read whole."""
        deadline = time.monotonic() + seconds
        while content not in self.contents:
            if self.torn is not None:
                raise self.torn
            assert time.monotonic() < deadline, f"{content!r} never came"
            time.sleep(0.01)

    def _read_all(self) -> None:
        try:
            while True:
                kind, data = self.receive()
                if kind == "SmsMes":
                    self.contents.append(data["content"])
                assert kind in ("SmsMes", "NotifyUserStatusMes"), kind
                if self._slow:
                    time.sleep(self._slow)
        except (Torn, ConnectionError) as torn:
            self.torn = torn
        except OSError:
            return
