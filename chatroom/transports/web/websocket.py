"""WebSocket: messages of one text frame or several go to the session, and its blobs out.

autobahn takes the stream apart (RFC 6455); what leaves goes through an outbox, as with TCP: frames
ready made, each encoded once for all, and autobahn's own (a pong, a close) in line with them.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from chatroom.common.counters import Count
from chatroom.node.node import Node
from chatroom.protocol import refusals
from chatroom.protocol.dialects import Codec, Dialect2
from chatroom.protocol.messages import MAX_FRAME_BEFORE_LOGIN
from chatroom.sessions import dispatch
from chatroom.sessions.session import Session
from chatroom.transports.sockets import open_outbox, tune
from chatroom.transports.web.request import RETRY_AFTER, Request

#: Most frames that a message may be cut into. Browsers use one.
MAX_FRAGMENTS = 256
#: Bytes that are parsed at once: autobahn copies what is left of them for each frame.
PIECE = 8192

#: First byte of a frame that is a whole text, and of one that closes (RFC 6455, 5.2).
_TEXT, _CLOSE = 0x81, 0x88
#: Why a connection closes (RFC 6455, 7.4.1).
_DONE, _UNSUPPORTED, _POLICY, _TOO_BIG = 1000, 1003, 1008, 1009

#: RFC 9110, 15.5.22.
_UPGRADE_REQUIRED = 426
#: 16 random bytes in base64 (RFC 6455, 4.1).
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")
#: The request as autobahn sees it; the real one is checked here. It offers no extensions: with
#: compression for each client, nothing could be encoded once for all.
_HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
)


def text_frame(payload: bytes) -> bytes:
    """``payload``, which is UTF-8, as one unmasked frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", _TEXT, size) + payload
    if size < 65536:
        return struct.pack("!BBH", _TEXT, 126, size) + payload
    return struct.pack("!BBQ", _TEXT, 127, size) + payload


#: One serves all browsers, so that what is encoded for one can be given to all.
WEBSOCKET = Dialect2(text_frame)


class WebSocketConnection(WebSocketServerProtocol):
    """One browser's connection: a `chatroom.sessions.session.Connection`."""

    factory: Any
    transport: Any
    takes_dialect_1 = False
    # A client's mistake is told to that client, and not logged.
    log = txaio.make_logger(level="error")  # type: ignore[attr-defined]  # made as txaio starts

    def __init__(self, address: str, token: str) -> None:
        super().__init__()
        self.address = address
        self.token = token
        #: None until the handshake is done.
        self.outbox: Any = None
        self.session: Any = None
        self._paused = False
        self._parsing = False
        self._fragments = 0
        #: What the close frame will say.
        self._why = _DONE
        #: Whether all of our data has left, the close frame included, and whether theirs has come.
        self._all_sent = False
        self._all_heard = False

    # ---- what Twisted calls

    def connectionMade(self) -> None:
        self._connectionMade()
        self.maxMessagePayloadSize = min(MAX_FRAME_BEFORE_LOGIN, self.factory.max_frame)
        tune(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self.session is not None:
            self.session.heard()
        for start in range(0, len(data), PIECE):
            self._dataReceived(data[start : start + PIECE])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = 0
        if self.session is not None:
            self.outbox.drop()
            self.session.lost()
        self._connectionLost(reason)  # type: ignore[arg-type]  # as autobahn itself calls it

    # ---- what autobahn calls

    def onOpen(self) -> None:
        # The handshake's answer may still be in the transport.
        self.outbox = open_outbox(self.transport, self.factory.send_queue, held=1)
        self.session = Session(self.factory.node, self)

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N803 - autobahn's name
        super().onMessageBegin(isBinary)
        self._fragments = 0
        if isBinary:
            self._fail_connection(_UNSUPPORTED, "messages are text, not binary")

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            self._fail_connection(_POLICY, f"a message of at most {MAX_FRAGMENTS} frames, please")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803
        dispatch.frame_received(self.session, payload)

    def onPing(self, payload: bytes) -> None:
        if dispatch.ping_received(self.session, payload):
            super().onPing(payload)

    def onPong(self, payload: bytes) -> None:
        dispatch.ping_received(self.session, payload)

    def consumeData(self) -> None:  # noqa: N802 - autobahn's name
        """As autobahn's, which cannot pause."""
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
        elif not self._parsing:
            self._parsing = True
            try:
                while not self._paused and self.state != self.STATE_CLOSED and self.processData():
                    pass
            finally:
                self._parsing = False

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: ARG002, N802
        """Send what autobahn writes: the handshake's answer, pongs, one close frame at the end."""
        if self.outbox is None:
            self.transport.write(data)
        elif data[0] == _CLOSE:
            self.outbox.finish(self._sent_all, (data,))
        else:
            self.outbox.put((data,))

    def dropConnection(self, abort: bool = False) -> None:  # noqa: ARG002, N802 - autobahn's
        """The client's close frame has come, and was answered if it came first."""
        self.state = self.STATE_CLOSED
        self._all_heard = True
        self.session.close()
        self._hang_up_in_the_end()

    def _max_message_size_exceeded(self, size: int, limit: int, reason: str) -> None:  # noqa: ARG002
        self.failedByMe = True
        self._why = _TOO_BIG
        dispatch.frame_too_long(self.session, size, limit)

    def _fail_connection(self, code: int = _POLICY, reason: str = "") -> None:
        """The client broke a rule: say which, and close. autobahn drops what comes meanwhile."""
        if not self.failedByMe:
            self.failedByMe = True
            self._why = code
            self.session.count(Count.MALFORMED)
            self.session.refuse(refusals.malformed(reason))
            self.session.close()

    # ---- what the session calls

    def speak(self, dialect: int) -> Codec:
        if dialect:
            self.maxMessagePayloadSize = self.factory.max_frame
        return WEBSOCKET

    def pause(self) -> None:
        self._paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        self._paused = False
        self.transport.resumeProducing()
        self.consumeData()

    def close(self) -> None:
        """Close, and wait for the client's close frame: it is the server who hangs up then."""
        self.failedByMe = True  # to autobahn: take no more messages
        self.sendCloseFrame(self._why)
        if self.connected:
            self.resume()

    def abort(self) -> None:
        if self.connected:
            self.transport.abortConnection()

    def _sent_all(self) -> None:
        self._all_sent = True
        self._hang_up_in_the_end()

    def _hang_up_in_the_end(self) -> None:
        if self._all_sent and self._all_heard:
            # With a producer registered, the transport would wait for it for ever.
            self.transport.unregisterProducer()
            self.transport.loseConnection()


class WebSocketFactory(WebSocketServerFactory):
    """Makes a connection that asked for it a WebSocket.

    :param max_frame: largest message taken from a client that is logged in, in bytes.
    :param send_queue: what may wait for one slow client, in bytes.
    """

    def __init__(self, reactor: Any, node: Node, *, max_frame: int, send_queue: int) -> None:
        super().__init__(reactor=reactor, server="")  # type: ignore[no-untyped-call]
        # A client that breaks a rule is told so; the session decides how long to wait for it.
        self.setProtocolOptions(failByDrop=False, openHandshakeTimeout=0, closeHandshakeTimeout=0)  # type: ignore[no-untyped-call]
        self.node = node
        self.max_frame = max_frame
        self.send_queue = send_queue

    def handle(self, request: Request) -> None:
        """Answer a request for ``/ws``."""
        if _refuses(request):
            return
        mine = request.cookie
        connection = WebSocketConnection(request.address, "" if mine is None else mine.token)
        connection.factory = self
        key = request.header("Sec-WebSocket-Key")
        request.channel.hand_over(connection)
        connection.dataReceived(_HANDSHAKE.format(key).encode("ascii"))


def _refuses(request: Request) -> bool:
    """Refuse a request that asks for no WebSocket or is cross-site; False: it may go on."""
    upgrades = "websocket" in _tokens(request, "Upgrade")
    if request.method != b"GET":
        request.refuse(http.NOT_ALLOWED, more=[(b"Allow", b"GET")])
    elif not (upgrades and "upgrade" in _tokens(request, "Connection")):
        more = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
        request.refuse(_UPGRADE_REQUIRED, "this is a WebSocket", more)
    elif request.header("Sec-WebSocket-Version") != "13":
        more = [(b"Sec-WebSocket-Version", b"13")]
        request.refuse(_UPGRADE_REQUIRED, "version 13, please", more)
    elif not _KEY.match(request.header("Sec-WebSocket-Key")):
        request.refuse(http.BAD_REQUEST, "no Sec-WebSocket-Key")
    elif _is_cross_site(request):
        request.refuse(http.FORBIDDEN, "this is for the page only")
    elif not request.channel.counts_as(request.address):
        request.refuse(http.SERVICE_UNAVAILABLE, "too many connections", [RETRY_AFTER])
    else:
        return False
    return True


def _is_cross_site(request: Request) -> bool:
    """Whether another site's page asks, or a cookie is sent without an ``Origin``."""
    if request.headers("Origin"):
        return not request.has_our_origin()
    # A browser always sends Origin. A client that sends none is a program, which has no cookie.
    return request.cookie is not None


def _tokens(request: Request, name: str) -> list[str]:
    return [token.strip().lower() for value in request.headers(name) for token in value.split(",")]
