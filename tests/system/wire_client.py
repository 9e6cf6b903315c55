"""A small blocking client for the wire, so that a test reads from top to bottom."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections import deque
from typing import TypeVar

from msgspec import UNSET

from chatroom.protocol import codec
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Message

M = TypeVar("M", bound=Message)

PASSWORD = "a long password"
#: Seconds that nothing takes, however much else the machine has to do.
PATIENCE = 120.0


def new_id() -> str:
    """A message's id that nobody has used."""
    return secrets.token_hex(8)


class Closed(Exception):
    """The server closed the connection."""


class Silence(Exception):
    """Nothing came in time."""


class WireClient:
    """One connection; dialect 2 unless it logs in with ``dialect=1``.

    ``got`` is all that has come so far.

    :param source: the address that it comes from, of this machine.
    """

    def __init__(
        self, port: int, *, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        self.user_id = 0
        self.got: list[Message] = []
        self._buffer = b""
        self._ready: deque[Message] = deque()
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE)
        if source is not None:
            self._socket.bind((source, 0))
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """End as a client that crashed: the server gets no end, but an error."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    # ---- frames

    def send(self, *messages: Message) -> None:
        self.send_bytes(b"".join(codec.frame(codec.encode(message)) for message in messages))

    def send_bytes(self, data: bytes) -> None:
        self._socket.settimeout(PATIENCE)
        self._socket.sendall(data)

    def receive(self, seconds: float = PATIENCE) -> Message:
        """The next message.

        :raises Silence: none came in time.
        :raises Closed: the connection ended.
        """
        deadline = time.monotonic() + seconds
        while not self._ready:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise Silence from None
            except ConnectionError:
                raise Closed from None
            if not data:
                raise Closed
            self._take(data)
        return self._ready.popleft()

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= wire.PREFIX_BYTES:
            (length,) = struct.unpack_from("!I", self._buffer)
            end = wire.PREFIX_BYTES + length
            if len(self._buffer) < end:
                return
            message = codec.decode(self._buffer[wire.PREFIX_BYTES : end])
            self._buffer = self._buffer[end:]
            self._ready.append(message)
            self.got.append(message)

    def expect(self, kind: type[M], seconds: float = PATIENCE, **fields: object) -> M:
        """The next message of that kind, with these values; what comes before it is passed over."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(max(deadline - time.monotonic(), 0.001))
            if isinstance(message, kind) and all(
                getattr(message, name) == value for name, value in fields.items()
            ):
                return message

    def expect_end(self, seconds: float = PATIENCE) -> list[Message]:
        """Wait until the server closes the connection; what came before that."""
        came = []
        deadline = time.monotonic() + seconds
        while True:
            try:
                came.append(self.receive(max(deadline - time.monotonic(), 0.001)))
            except Closed:
                return came

    def is_alive(self) -> bool:
        """Whether the server still answers on this connection."""
        self.send(wire.PingMes())
        self.expect(wire.PongMes)
        return True

    # ---- what people do

    def register(self, user_id: int, name: str = "", password: str = PASSWORD) -> int:
        """The answer's code."""
        user = wire.User(user_id=user_id, user_pwd=password, user_name=name or f"user {user_id}")
        self.send(wire.RegisterMes(user=user))
        return self.expect(wire.RegisterResMes).code

    def log_in(
        self,
        user_id: int,
        password: str = PASSWORD,
        *,
        dialect: int = 2,
        resume: wire.Resume | None = None,
    ) -> wire.LoginResMes:
        self.user_id = user_id
        self.send(
            wire.LoginMes(
                user_id=user_id,
                user_pwd=password,
                protocol=2 if dialect == 2 else UNSET,
                resume=resume or UNSET,
            )
        )
        return self.expect(wire.LoginResMes)

    def enter(self, user_id: int, name: str = "", *, dialect: int = 2) -> WireClient:
        """Register unless that was done before, and log in."""
        assert self.register(user_id, name) in (200, 505)
        assert self.log_in(user_id, dialect=dialect).code == 200
        return self

    def say(self, content: str, message_id: str = "") -> wire.AckMes:
        """Send to the room; what the server answers."""
        message_id = message_id or new_id()
        self.send(wire.SmsMes(content=content, id=message_id))
        return self.expect(wire.AckMes, id=message_id)

    def tell(self, to: int, content: str, message_id: str = "") -> wire.AckMes:
        """Send to one person; what the server answers."""
        message_id = message_id or new_id()
        self.send(wire.PrivateMes(content=content, to_user_id=to, id=message_id))
        return self.expect(wire.AckMes, id=message_id)

    def hears(self, content: str, seconds: float = PATIENCE) -> wire.SmsMes:
        return self.expect(wire.SmsMes, seconds, content=content)

    def is_told(self, content: str, seconds: float = PATIENCE) -> wire.PrivateMes:
        return self.expect(wire.PrivateMes, seconds, content=content)

    def online(self) -> dict[int, int]:
        """Everybody who is online, with their status."""
        self.send(wire.UsersMes(limit=500))
        answer = self.expect(wire.UsersResMes)
        return {person.user_id: person.user_status for person in answer.users}

    def history(self, limit: int = wire.MAX_HISTORY) -> list[wire.Text]:
        """All that the room holds, oldest first."""
        pages: list[list[wire.Text]] = []
        before: str | None = None
        while True:
            self.send(wire.HistoryMes(before=before or UNSET, limit=limit))
            page = self.expect(wire.HistoryResMes)
            pages.append(page.messages)
            if not page.more:
                return [message for page in reversed(pages) for message in page]
            before = str(page.messages[0].seq)
