"""Routes requests by path: the page, its files, its API, the WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.web import http

from chatroom.limits.connections import LOCAL
from chatroom.node.node import Node
from chatroom.transports.sockets import TurnedAway
from chatroom.transports.web.addressing import Hosts, Proxies
from chatroom.transports.web.api import Api
from chatroom.transports.web.files import INDEX, File, is_known, service_worker
from chatroom.transports.web.request import TIMEOUT, TOO_MANY, Channel, Request
from chatroom.transports.web.websocket import WebSocketFactory


class Site(http.HTTPFactory):
    """Answers requests on any number of ports.

    :param files: what is below ``/static/``; `INDEX` is the page.
    :param proxies: whose word for where a client is counts.
    :param hosts: by which names the page may be asked for.
    :param max_frame: largest message taken from a client that is logged in, in bytes.
    :param send_queue: what may wait for one slow client, in bytes.
    """

    protocol: Any = Channel
    noisy = False

    def __init__(
        self,
        reactor: Any,
        node: Node,
        files: Mapping[str, File],
        proxies: Proxies,
        hosts: Hosts,
        *,
        max_frame: int,
        send_queue: int,
    ) -> None:
        super().__init__(timeout=TIMEOUT, reactor=reactor)
        self.node = node
        self.proxies = proxies
        self.hosts = hosts
        self._files = files
        self._worker = service_worker(files)
        self._api = Api(node)
        self._websocket = WebSocketFactory(
            reactor, node, max_frame=max_frame, send_queue=send_queue
        )

    def buildProtocol(self, addr: IAddress | None) -> Any:
        address = str(getattr(addr, "host", LOCAL))
        # Many clients share one proxy: each counts by its own address, once a request has told it.
        is_shared = self.proxies.trusts(address)
        counted_as = LOCAL if is_shared else address
        if not self.node.admit(counted_as):
            return TurnedAway(TOO_MANY)
        channel: Any = super().buildProtocol(addr)
        channel.counted_as, channel.is_shared = counted_as, is_shared
        return channel

    def log(self, request: http.Request) -> None:
        """Log nothing: who reads and writes when is private."""

    def handle(self, request: Request) -> None:
        """Answer a request, at once or later."""
        path = request.path.decode("latin-1")
        if path == "/ws":
            self._websocket.handle(request)
        elif path.startswith("/api/"):
            self._api.handle(request, path.removeprefix("/api/"))
        elif path == "/":
            self._send_file(request, self._files.get(INDEX))
        elif path == "/sw.js":
            # At the root: a service worker controls only what lies below its own path.
            self._send_file(request, self._worker)
        elif path.startswith("/static/"):
            self._send_file(request, self._files.get(path.removeprefix("/static/")))
        else:
            request.refuse(http.NOT_FOUND)

    def _send_file(self, request: Request, file: File | None) -> None:
        if file is None:
            request.refuse(http.NOT_FOUND)
            return
        if request.method not in (b"GET", b"HEAD"):
            request.refuse(http.NOT_ALLOWED, more=[(b"Allow", b"GET, HEAD")])
            return
        chosen = file.choose(request.header("Accept-Encoding"))
        more = [
            (b"Cache-Control", b"no-cache"),
            (b"ETag", chosen.etag.encode("ascii")),
            (b"Vary", b"Accept-Encoding"),
        ]
        if is_known(chosen.etag, request.header("If-None-Match")):
            request.answer(http.NOT_MODIFIED, more=more)
            return
        if chosen.encoding != "identity":
            more.append((b"Content-Encoding", chosen.encoding.encode("ascii")))
        request.answer(http.OK, chosen.body, file.content_type, more)
