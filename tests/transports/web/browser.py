"""A browser's side of a connection: requests and answers of HTTP, and frames of RFC 6455."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatroom.protocol import codec
from chatroom.protocol.messages import Message
from chatroom.transports.web.site import Site
from tests.sockets import HandReactor, on_tcp, received

HOST = "chat.example"
ORIGIN = f"http://{HOST}"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
#: What a server says to that key: the example of RFC 6455, 1.3.
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass
class Response:
    """An answer of HTTP."""

    code: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The only value of a header; empty where there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, values
        return values[0] if values else ""

    def __contains__(self, name: str) -> bool:
        return any(key.lower() == name.lower() for key, _ in self.headers)

    @property
    def json(self) -> Any:
        assert self["Content-Type"] == "application/json"
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """What the browser sends back from now on."""
        return self["Set-Cookie"].partition(";")[0]


@dataclass
class Frame:
    """A frame from the server: whole, unmasked, of no extension."""

    opcode: int
    payload: bytes

    @property
    def message(self) -> Message:
        assert self.opcode == TEXT
        self.payload.decode()
        return codec.decode(self.payload)


def request_bytes(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request as it goes over the connection; a header of None is left out."""
    all_headers = {"Host": HOST, **(headers or {})}
    if body:
        all_headers.setdefault("Content-Length", str(len(body)))
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{key}: {value}" for key, value in all_headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def frame_bytes(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes = b"mask"
) -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    first = opcode | (0x80 if fin else 0)
    masked = 0x80 if mask else 0
    if size < 126:
        header = struct.pack("!BB", first, masked | size)
    elif size < 65536:
        header = struct.pack("!BBH", first, masked | 126, size)
    else:
        header = struct.pack("!BBQ", first, masked | 127, size)
    if not mask:
        return header + payload
    return header + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def said(*messages: Message) -> bytes:
    """Messages as a client sends them."""
    return b"".join(frame_bytes(TEXT, codec.encode(message)) for message in messages)


def parse_response(data: bytes, method: str = "GET") -> tuple[Response, bytes]:
    """The first answer in ``data``, and what is behind it."""
    head, found, rest = data.partition(b"\r\n\r\n")
    assert found, f"no whole answer: {data!r}"
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    response = Response(int(status.split()[1]), headers, b"")
    length = int(response["Content-Length"] or 0) if method != "HEAD" else 0
    assert len(rest) >= length
    response.body = rest[:length]
    return response, rest[length:]


def parse_frames(data: bytes) -> Iterator[Frame]:
    """All frames in ``data``, which ends where a frame ends."""
    start = 0
    while start < len(data):
        first, size = data[start : start + 2]
        assert first & 0xF0 == 0x80, "it is whole, and of no extension"
        assert not size & 0x80, "a server masks nothing"
        start += 2
        if size == 126:
            (size,) = struct.unpack_from("!H", data, start)
            start += 2
            assert size > 125
        elif size == 127:
            (size,) = struct.unpack_from("!Q", data, start)
            start += 8
            assert size > 65535
        assert len(data) >= start + size, "a frame was cut off"
        yield Frame(first & 0x0F, data[start : start + size])
        start += size


class Tab:
    """A connection of a browser in memory, or on a real socket (``clock`` given)."""

    def __init__(self, site: Site, *, clock: Any = None, address: str = "192.0.2.1") -> None:
        peer: Any = IPv4Address("TCP", address, 54321)
        protocol: Any = site.buildProtocol(peer)
        self.protocol = protocol
        self.far: Any = None
        if clock is None:
            self.transport: Any = StringTransport(peerAddress=peer, lenient=True)
        else:
            self.reactor = HandReactor(clock)
            self.transport, self.far = on_tcp(protocol, self.reactor)
        protocol.makeConnection(self.transport)
        #: What keeps it logged in.
        self.cookie = ""

    # ---- bytes

    def sends(self, data: bytes) -> None:
        """Bytes arrive at the server."""
        if self.far is None:
            self.protocol.dataReceived(data)
        else:
            self.far.sendall(data)
            self.turn()

    def turn(self) -> None:
        """On a real socket: the server does what it can now."""
        while self.far is not None and self.reactor.turn():
            pass

    def data(self) -> bytes:
        """All that came since the last look."""
        if self.far is not None:
            self.turn()
            return received(self.far)
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    @property
    def closed(self) -> bool:
        """Whether the server has closed the connection."""
        if self.far is not None:
            return bool(self.transport.disconnected)
        return bool(self.transport.disconnecting or self.transport.disconnected)

    def leaves(self) -> None:
        """The connection is lost."""
        if self.far is not None:
            self.far.close()
            self.turn()
        else:
            self.transport.connected = False
            self.protocol.connectionLost(Failure(ConnectionLost()))

    # ---- HTTP

    def asks(self, method: str, path: str, body: bytes = b"", **headers: Any) -> Response:
        """Ask, and take the answer, which comes at once; ``Accept_Encoding`` for a hyphen."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given.setdefault("Cookie", self.cookie)
        self.sends(request_bytes(method, path, given, body))
        return self.takes_answer(method)

    def takes_answer(self, method: str = "GET") -> Response:
        response, rest = parse_response(self.data(), method)
        assert not rest
        if "Set-Cookie" in response:
            self.cookie = response.cookie
        return response

    # ---- WebSocket

    def upgrades(self, **headers: Any) -> Response:
        """Ask for a WebSocket."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.asks("GET", "/ws", **{"Origin": ORIGIN, **UPGRADE, **given})

    def opens(self, **headers: Any) -> Tab:
        """Be a WebSocket."""
        assert self.upgrades(**headers).code == 101
        return self

    def says(self, *messages: Message) -> None:
        self.sends(said(*messages))

    def frames(self) -> list[Frame]:
        """The frames that came since the last look."""
        return list(parse_frames(self.data()))

    def takes(self) -> list[Message]:
        """The messages that came since the last look, and nothing else did."""
        return [frame.message for frame in self.frames()]
