"""One HTTP request and its answer: limits of size and time, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from chatroom.common.counters import Count
from chatroom.limits.rate import RateLimiter
from chatroom.transports.sockets import COME_BACK, peer_of
from chatroom.transports.web import cookie
from chatroom.transports.web.addressing import Hosts

#: Largest body of a request, in bytes.
MAX_BODY = 4096
#: Seconds from a connection's beginning, or from the last answer on it, in which a whole request
#: must arrive: a client can't keep a connection with one byte a second.
TIMEOUT = 30
#: Bytes that a request counts besides its body: about what a browser's headers take.
REQUEST_BYTES = 512

#: RFC 9110, 15.5.20.
_MISDIRECTED = 421
#: RFC 6585, 4.
TOO_MANY_REQUESTS = 429

#: Nothing but the page's own files, no script or style in the markup, and no frame around it. The
#: WebSocket is ``'self'`` too: Content Security Policy Level 3, 6.7.2.8.
_CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = (
    (b"Content-Security-Policy", _CONTENT_SECURITY_POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (
        b"Permissions-Policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
)
#: With TLS: for a year a browser comes by TLS only. In seconds.
HSTS = (b"Strict-Transport-Security", b"max-age=31536000")

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def _last_answer(status: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """An answer without a body, behind which the connection is closed."""
    lines = [b"HTTP/1.1 " + status, b"Connection: close", b"Content-Length: 0"]
    lines += [b"%b: %b" % header for header in (*HEADERS, *more)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


#: The answer to one connection too many.
RETRY_AFTER = (b"Retry-After", b"%d" % COME_BACK)
TOO_MANY = _last_answer(b"503 Service Unavailable", RETRY_AFTER)

_log = Logger()


class Request(http.Request):
    """What a browser asks. ``channel.factory`` is the site, which answers."""

    channel: Any
    #: The client's address: its own, or what a trusted proxy says.
    address: str
    #: Whether it came by TLS, here or to a proxy that we trust.
    secure: bool
    #: The connection is lost: no answer can be sent any more.
    gone = False

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002, N802 - Twisted's
        # In memory, as the size is limited; Twisted would write a large body to a file.
        super().gotLength(0)  # type: ignore[no-untyped-call]
        self._body_size = 0

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        # Too large a body is read all the same: a browser reads the answer only after sending it.
        self._body_size += len(data)
        if self._body_size <= MAX_BODY:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def process(self) -> None:
        proxies, peer = self.channel.factory.proxies, peer_of(self.channel)
        self.address = proxies.client_of(peer, self.headers("X-Forwarded-For"))
        proto = self.headers("X-Forwarded-Proto")
        self.secure = proxies.is_secure(peer, proto) or bool(self.isSecure())  # type: ignore[no-untyped-call]
        try:
            if not self._asks_for_us(by_proxy=proxies.trusts(peer)):
                self.refuse(
                    _MISDIRECTED, "no server of that name is here (--web-host gives it one)"
                )
            elif self._body_size > MAX_BODY:
                self.refuse(http.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY} bytes")
            elif wait := self.channel.wait(self._body_size, costs=self.path.startswith(b"/api/")):
                retry_after = (b"Retry-After", b"%d" % wait)
                self.refuse(TOO_MANY_REQUESTS, "too fast", [retry_after])
            else:
                self.channel.factory.handle(self)
        except Exception:  # noqa: BLE001 - a fault of ours, which is told and logged
            self.failed(Failure())

    def _asks_for_us(self, *, by_proxy: bool) -> bool:
        hosts: Hosts = self.channel.factory.hosts
        own_address = str(getattr(self.getHost(), "host", ""))  # type: ignore[no-untyped-call]
        return hosts.allow(self.header("Host"), own_address, by_proxy=by_proxy)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    # ---- what was asked

    def header(self, name: str) -> str:
        """A header's value; empty where there is none, or more than one."""
        values = self.headers(name)
        return values[0] if len(values) == 1 else ""

    def headers(self, name: str) -> list[str]:
        """All values of a header."""
        return [
            value.decode("latin-1")
            for value in self.requestHeaders.getRawHeaders(name.encode(), [])
        ]

    @property
    def cookie(self) -> cookie.Pass | None:
        """The cookie that keeps the browser logged in."""
        name = cookie.name_of(secure=self.secure).encode("ascii")
        return cookie.parse(self.received_cookies.get(name))

    @property
    def body(self) -> bytes:
        content: Any = self.content
        return bytes(content.getvalue())

    def has_our_origin(self) -> bool:
        """Whether the request comes from our own page, by the browser's ``Origin``."""
        scheme = "https" if self.secure else "http"
        port = _DEFAULT_PORTS[scheme]
        host = self.header("Host").lower().removesuffix(port)
        origin = self.header("Origin").lower().removesuffix(port)
        return bool(host) and origin == f"{scheme}://{host}"

    # ---- the answer

    def answer(
        self,
        code: int,
        body: bytes = b"",
        content_type: str = "",
        more: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Answer, unless the connection is lost.

        :param more: headers besides those that every answer has; they may repeat.
        """
        if self.gone:
            return
        self.setResponseCode(code)
        headers = [*HEADERS, (b"Date", http.datetimeToString())]
        if self.secure:
            headers.append(HSTS)
        if content_type:
            headers.append((b"Content-Type", content_type.encode("ascii")))
        if code not in http.NO_BODY_CODES:
            headers.append((b"Content-Length", b"%d" % len(body)))
        for name, value in (*headers, *more):
            self.responseHeaders.addRawHeader(name, value)
        self.write(body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]

    def refuse(self, code: int, why: str = "", more: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer with an error of HTTP's, and a line for people."""
        words = why or http.RESPONSES[code].decode("ascii").lower()
        no_store = (b"Cache-Control", b"no-store")
        self.answer(code, f"{words}\n".encode(), "text/plain; charset=utf-8", [*more, no_store])

    def failed(self, failure: Failure) -> None:
        """Log a fault of ours, and answer 500."""
        if self.gone and failure.check(CancelledError) is not None:
            return
        _log.failure("{method} {path} failed", failure, method=self.method, path=self.path)
        if not (self.startedWriting or self.finished):
            self.refuse(http.INTERNAL_SERVER_ERROR)


class Channel(http.HTTPChannel):
    """One connection: requests one after the other, until one of them makes it a WebSocket."""

    requestFactory = Request  # noqa: N815 - Twisted's name
    factory: Any
    transport: Any
    #: The address that the connection limit counts it by.
    counted_as: str
    #: Whether a trusted proxy made it, for many clients: the proxy limits how fast it asks.
    is_shared: bool
    #: The protocol that took it over.
    _heir: Any = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rate_limiter = RateLimiter()

    def wait(self, size: int, *, costs: bool) -> int:
        """Take a request into account: 0, or the seconds after which it may be asked again.

        Who goes on for long all the same is hung up on.

        :param size: of its body, in bytes.
        :param costs: whether it counts as one of a client's first messages does, too.
        """
        if self.is_shared:
            return 0
        node, limiter = self.factory.node, self._rate_limiter
        now, size = node.clock.seconds(), size + REQUEST_BYTES
        seconds: int = limiter.wait(node.rate_limits, now, size, costs, user_id=0)
        if seconds:
            node.counters[Count.TOO_FAST] += 1
            if limiter.ignores:
                node.counters[Count.FLOODS_CLOSED] += 1
                # Twisted hangs up behind the answer then.
                self.persistent = False
        return seconds

    def resetTimeout(self) -> None:  # noqa: N802 - Twisted's name
        """Do not extend the timeout: one more byte is no progress."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.node.connection_limit.leave(self.counted_as)
        if self._heir is not None:
            self._heir.connectionLost(reason)
        else:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def counts_as(self, address: str) -> bool:
        """Count it by ``address`` from now on; False: there are too many from there already."""
        connection_limit = self.factory.node.connection_limit
        connection_limit.leave(self.counted_as)
        if self.factory.node.admit(address):
            self.counted_as = address
            return True
        connection_limit.admit(self.counted_as)
        return False

    def hand_over(self, protocol: Any) -> None:
        """Give ``protocol`` all data from now on, and what has been received already."""
        # The transport and the line parser both look these up for each piece of data.
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        self.rawDataReceived = protocol.dataReceived  # type: ignore[method-assign]
        self._heir = protocol
        self.requests.clear()
        # It was our producer, which slows the client down; it may be paused just now.
        self.transport.unregisterProducer()
        protocol.makeConnection(self.transport)
        self.transport.resumeProducing()

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002 - Twisted's
        self._respondToBadRequestAndDisconnect()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802 - Twisted's name
        # Twisted's own answer has no headers at all.
        self.transport.write(_last_answer(b"400 Bad Request"))
        self.loseConnection()  # type: ignore[no-untyped-call]
