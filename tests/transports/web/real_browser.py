"""A browser that waits, for servers and proxies on real ports; it keeps its cookie."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any, TypeVar

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Message
from tests.transports.web.browser import (
    CLOSE,
    TEXT,
    UPGRADE,
    Frame,
    Response,
    frame_bytes,
    parse_frames,
    parse_response,
    request_bytes,
)
from tests.wire import connected

M = TypeVar("M", bound=Message)


class Browser:
    """One tab, at ``http://localhost:PORT``, or ``https`` where it believes a certificate.

    :param options: those of `tests.wire.connected`.
    """

    def __init__(self, port: int, certificate: Path | None = None, **options: Any) -> None:
        self.cookie = ""
        self._port = port
        self._options = options
        self._certificate = certificate
        self._host = f"localhost:{port}"
        self._origin = f"{'https' if certificate else 'http'}://{self._host}"
        self._socket: socket.socket | None = None
        self._data = b""

    def _connect(self) -> socket.socket:
        connection = connected(self._port, **self._options)
        if self._certificate is None:
            return connection
        context = ssl.create_default_context(cafile=str(self._certificate))
        return context.wrap_socket(connection, server_hostname="localhost")

    def asks(self, method: str, path: str, body: bytes = b"", **headers: Any) -> Response:
        """Ask on a connection of its own."""
        given = {"Host": self._host, "Connection": "close"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given["Cookie"] = self.cookie
        with self._connect() as connection:
            connection.sendall(request_bytes(method, path, given, body))
            data = b""
            while piece := connection.recv(65536):
                data += piece
        response, _ = parse_response(data, method)
        if "Set-Cookie" in response:
            self.cookie = response.cookie
        return response

    def posts(self, name: str, body: Any = None, **headers: Any) -> Response:
        """Ask what the page asks."""
        given = {"Content_Type": "application/json", "Origin": self._origin} | headers
        return self.asks("POST", f"/api/{name}", json.dumps(body or {}).encode(), **given)

    def registers_and_logs_in(self, user_id: int, password: str = "secret") -> Response:
        user = {"userId": user_id, "userPwd": password, "userName": f"user {user_id}"}
        assert self.posts("register", {"user": user}).json["code"] == 200
        response = self.posts("login", {"userId": user_id, "userPwd": password})
        assert response.json["code"] == 200
        return response

    # ---- the WebSocket

    def opens(self, **headers: Any) -> Browser:
        self._socket = self._connect()
        given = {"Host": self._host, "Origin": self._origin, "Cookie": self.cookie, **UPGRADE}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._socket.sendall(request_bytes("GET", "/ws", given))
        while b"\r\n\r\n" not in self._data:
            self._read()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def enters(self, user_id: int) -> wire.LoginResMes:
        """Log in by the cookie."""
        self.opens().says(wire.LoginMes(user_id=user_id, protocol=2))
        answer = self.hears(wire.LoginResMes)
        assert answer.code == wire.Code.OK
        return answer

    def says(self, *messages: Message) -> None:
        assert self._socket is not None
        for message in messages:
            self._socket.sendall(frame_bytes(TEXT, codec.encode(message)))

    def hears(self, kind: type[M]) -> M:
        """The next message of a type; what comes before it is forgotten."""
        while True:
            frame = self._next_frame()
            assert frame.opcode == TEXT, frame
            if isinstance(frame.message, kind):
                return frame.message

    def closes(self) -> None:
        """Close, and see the server close."""
        assert self._socket is not None
        self._socket.sendall(frame_bytes(CLOSE))
        while self._next_frame().opcode != CLOSE:
            pass
        assert self._socket.recv(1) == b""
        self._socket.close()

    def stays_open(self) -> bool:
        """Whether the server keeps the connection open; what came on it is forgotten."""
        assert self._socket is not None
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return True
        except ConnectionError:
            pass
        return False

    def leaves(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _next_frame(self) -> Frame:
        while (size := _size_of_first(self._data)) is None or len(self._data) < size:
            self._read()
        [frame] = parse_frames(self._data[:size])
        self._data = self._data[size:]
        return frame

    def _read(self) -> None:
        assert self._socket is not None
        piece = self._socket.recv(65536)
        assert piece, "the server closed the connection"
        self._data += piece


def _size_of_first(data: bytes) -> int | None:
    """How long the first frame in ``data`` is as a whole, once that much can be read."""
    if len(data) < 10:
        return 2 + data[1] if len(data) > 1 and data[1] < 126 else None
    more = {126: 2, 127: 8}.get(data[1], 0)
    size = int.from_bytes(data[2 : 2 + more]) if more else data[1]
    return 2 + more + size
