"""The server's ports: opened together, told in the log, closed together."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from twisted.logger import Logger

from chatroom.common.addresses import is_loopback
from chatroom.config.data_folder import DataFolder
from chatroom.config.options import Settings
from chatroom.limits.file_descriptors import Accepting
from chatroom.transports.certificate import own_certificate
from chatroom.transports.listeners import ADVICE, Listening, in_clear, listening_endpoint
from chatroom.transports.tcp import ChatFactory
from chatroom.transports.web.addressing import ADVICE as NAMES_ADVICE

#: As whoever reads the log knows the server.
_log = Logger("chatroom.service")


class Ports:
    """All that ``--listen`` and ``--web`` name.

    To be made before twistd changes to another user, who might not read the endpoints' keys.

    :raises StartError: the server's own certificate can't be read or made.
    """

    def __init__(self, reactor: Any, settings: Settings, folder: DataFolder) -> None:
        self._settings = settings
        self._ports: list[Any] = []
        self._accepting = Accepting(reactor)
        self._certificate = (
            own_certificate(folder, dt.datetime.now(dt.UTC)) if settings.tls_self_signed else None
        )
        self._endpoints = [
            (text, listening_endpoint(reactor, text, self._certificate)) for text in settings.listen
        ]
        # A browser trusts no certificate that signed itself: here TLS is an ssl: endpoint's affair,
        # or a proxy's.
        self._web_endpoints = [
            (text, listening_endpoint(reactor, text, None)) for text in settings.web
        ]

    async def open(self, factory: ChatFactory, site: Any) -> None:
        """Take connections on all of them.

        :param site: what is served where ``--web`` says; None: it says nothing.
        :raises CannotListenError: a port or a path is taken.
        """
        clear = [await self._listen(text, endpoint, factory) for text, endpoint in self._endpoints]
        if site is not None:
            clear += [await self._listen(*one, site) for one in self._web_endpoints]
            self._advise_on_names(self._ports[len(self._endpoints) :])
        if any(clear):
            _log.warn("{advice}", advice=ADVICE)
        if self._certificate is not None:
            _log.info("{certificate}", certificate=self._certificate)

    async def close(self) -> None:
        self._accepting.stop()
        for port in self._ports:
            await port.stopListening()

    async def _listen(self, text: str, endpoint: Listening, factory: Any) -> bool:
        """Take connections; gives whether they can be read on their way."""
        port = await endpoint.listen(factory)
        self._ports.append(port)
        self._accepting.watch(port)
        where = _where(port)
        if not isinstance(factory, ChatFactory):
            _log.info("The page is at {url} ({endpoint})", url=_url(text, where), endpoint=text)
            return in_clear(text, None, port)
        _log.info("Listening on {where} ({endpoint})", where=where, endpoint=text)
        return in_clear(text, self._certificate, port)

    def _advise_on_names(self, web_ports: list[Any]) -> None:
        settings = self._settings
        hosts = [str(getattr(port.getHost(), "host", "")) for port in web_ports]
        if not settings.web_host and (settings.trusted_proxy or not all(map(is_loopback, hosts))):
            _log.warn("{advice}", advice=NAMES_ADVICE)


def _where(port: Any) -> str:
    host = port.getHost()
    if hasattr(host, "port"):
        return f"{host.host}:{host.port}"
    name = getattr(host, "name", None)
    return str(host) if name is None else os.fsdecode(name)


def _url(endpoint: str, where: str) -> str:
    """What to give a browser."""
    if ":" not in where:
        return where
    host, _, port = where.rpartition(":")
    # Every interface has this name at least.
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    scheme = "https" if endpoint.startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
