"""The wire as clients of tests have it: frames, on a blocking socket or on a reactor.

`PlainClient` is made from the protocol's description alone, so that what it shows does not depend
on the server's own codec; `WireClient` and `MessageReceiver` speak in the program's messages.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from msgspec import UNSET
from twisted.protocols.basic import Int32StringReceiver

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Message

M = TypeVar("M", bound=Message)
T = TypeVar("T")
#: A message's type and its fields.
Plain = tuple[str, dict[str, Any]]

PASSWORD = "a long password"
#: Seconds that nothing takes, however much else the machine has to do.
PATIENCE = 120.0
#: Bytes of a frame's head, which is its payload's length.
HEAD = 4


def new_id() -> str:
    """A message's id that nobody has used."""
    return secrets.token_hex(8)


# ---------------------------------------------------------------- frames


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of the whole frames in ``data``, and what is behind them."""
    found, start = [], 0
    while start + HEAD <= len(data):
        end = start + HEAD + int.from_bytes(data[start : start + HEAD])
        if len(data) < end:
            break
        found.append(data[start + HEAD : end])
        start = end
    return found, data[start:]


def frames(data: bytes) -> list[bytes]:
    """The payloads in ``data``, which ends where a frame ends."""
    found, rest = split(data)
    assert not rest, "a frame was cut off"
    return found


def framed(*messages: Message) -> bytes:
    """Messages as they go over the connection."""
    return b"".join(codec.frame(codec.encode(message)) for message in messages)


def plain_frame(kind: str, **data: object) -> bytes:
    """A message as it goes over the connection, made with no help of the program's."""
    inner = json.dumps(data, ensure_ascii=False)
    payload = json.dumps({"type": kind, "data": inner}, ensure_ascii=False).encode()
    return len(payload).to_bytes(HEAD) + payload


def read_plain(payload: bytes) -> Plain:
    """A payload's two layers, read with no help of the program's."""
    envelope = json.loads(payload)
    assert set(envelope) == {"type", "data"}
    assert isinstance(envelope["data"], str)
    return envelope["type"], json.loads(envelope["data"])


# ---------------------------------------------------------------- clients


def connected(
    port: int,
    *,
    patience: float = PATIENCE,
    source: str | None = None,
    receive_buffer: int | None = None,
) -> socket.socket:
    """A connection to a port of this machine.

    :param patience: seconds for whatever is waited for.
    :param source: the address that it comes from, of this machine.
    :param receive_buffer: of its socket, in bytes.
    """
    connection = socket.socket()
    try:
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(patience)
        if source is not None:
            connection.bind((source, 0))
        connection.connect(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


class BlockingClient(Generic[T]):
    """One connection, read from top to bottom; ``got`` is all that has come so far.

    :param read: makes a message of a payload.
    :param options: those of `connected`.
    """

    def __init__(
        self, read: Callable[[bytes], T], port: int, *, patience: float = PATIENCE, **options: Any
    ) -> None:
        self.got: list[T] = []
        self._read = read
        self._patience = patience
        self._rest = b""
        self._ready: deque[T] = deque()
        self._socket = connected(port, patience=patience, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """End as a client that crashed: the server gets no end, but an error."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send_bytes(self, data: bytes) -> None:
        self._socket.settimeout(self._patience)
        self._socket.sendall(data)

    def receive(self, seconds: float | None = None) -> T:
        """The next message.

        :param seconds: that it may take; as patient as ever if left out.
        :raises TimeoutError: none came in time.
        :raises ConnectionError: the connection ended.
        """
        until = self._until(seconds)
        while not self._ready:
            self._ready += self.read_once(until - time.monotonic())
        return self._ready.popleft()

    def read_once(self, seconds: float) -> list[T]:
        """What has come whole with all that can be read now, or within some seconds."""
        self._socket.settimeout(max(seconds, 0.001))
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        payloads, self._rest = split(self._rest + data)
        came = [self._read(payload) for payload in payloads]
        self.got += came
        return came

    def receive_first(self, fits: Callable[[T], bool], seconds: float | None = None) -> T:
        """The next message that fits; what comes before it is passed over."""
        until = self._until(seconds)
        while not fits(message := self.receive(until - time.monotonic())):
            if time.monotonic() > until:
                raise TimeoutError("the server said other things only")
        return message

    def expect_end(self, seconds: float | None = None) -> list[T]:
        """Wait until the server closes the connection; what came before that."""
        came: list[T] = []
        until = self._until(seconds)
        try:
            while True:
                came.append(self.receive(until - time.monotonic()))
        except ConnectionError:
            return came

    def _until(self, seconds: float | None) -> float:
        return time.monotonic() + (self._patience if seconds is None else seconds)


class PlainClient(BlockingClient[Plain]):
    """Speaks from the protocol's description alone."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(read_plain, port, **options)

    def send(self, kind: str, **data: object) -> None:
        self.send_bytes(plain_frame(kind, **data))


class MessageReceiver(Int32StringReceiver):
    """One end of a connection on a reactor, the client's or a server's."""

    MAX_LENGTH = 10**7

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.write(framed(message))

    def write(self, data: bytes) -> None:
        """Whatever it is; nowhere once there is no connection."""
        transport: Any = self.transport
        if transport is not None:
            transport.write(data)


class WireClient(BlockingClient[Message]):
    """Speaks in messages; dialect 2 unless it logs in with ``dialect=1``."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(codec.decode, port, **options)
        self.user_id = 0

    def send(self, *messages: Message) -> None:
        self.send_bytes(framed(*messages))

    def expect(self, kind: type[M], seconds: float | None = None, **fields: object) -> M:
        """The next message of that kind, with these values; what comes before it is passed over."""
        wanted = fields.items()
        found = self.receive_first(
            lambda message: (
                isinstance(message, kind)
                and all(getattr(message, name) == value for name, value in wanted)
            ),
            seconds,
        )
        assert isinstance(found, kind)
        return found

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

    def hears(self, content: str, seconds: float | None = None) -> wire.SmsMes:
        return self.expect(wire.SmsMes, seconds, content=content)

    def is_told(self, content: str, seconds: float | None = None) -> wire.PrivateMes:
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
