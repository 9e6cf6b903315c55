"""The server's ports: opened together, named in the log, closed together."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger

from chatroom.common.addresses import is_loopback
from chatroom.config.data_folder import DataFolder
from chatroom.config.options import Settings, endpoints
from chatroom.limits.file_descriptors import Accepting
from chatroom.transports.certificate import Certificate, own_certificate
from chatroom.transports.listeners import ADVICE, in_clear, listening_endpoint
from chatroom.transports.web.addressing import ADVICE as NAMES_ADVICE

#: The option that names the page's endpoints, and what the log says of each.
PAGE, PAGE_AT = "--web", "The page is at {url} ({endpoint})"
#: The log shows this name, which operators know, instead of the module's.
_log = Logger("chatroom.service")


class Ports:
    """The ports that ``--listen``, ``--web`` and similar options name.

    Create it before twistd changes to another user, who might not be able to read the keys.

    :raises StartError: the server's own certificate can't be read or made.
    """

    def __init__(self, reactor: Any, settings: Settings, folder: DataFolder) -> None:
        self._settings = settings
        self._ports: list[Any] = []
        self._accepting = Accepting(reactor)
        self._certificate = (
            own_certificate(folder, dt.datetime.now(dt.UTC)) if settings.tls_self_signed else None
        )
        self._endpoints = {
            option: [(text, listening_endpoint(reactor, text, self._own(option))) for text in texts]
            for option, texts in endpoints(settings).items()
        }

    def _own(self, option: str) -> Certificate | None:
        # Browsers trust no self-signed certificate: their TLS needs an ssl: endpoint or a proxy.
        return None if option == PAGE else self._certificate

    async def open(self, factories: Mapping[str, Any]) -> None:
        """Listen for connections.

        :param factories: protocol factories, by the option that names their endpoints.
        :raises CannotListenError: a port or a path is taken.
        """
        clear = False
        for option, factory in factories.items():
            for text, endpoint in self._endpoints[option]:
                port = await endpoint.listen(factory)
                self._ports.append(port)
                self._accepting.watch(port)
                where = _where(port)
                told = PAGE_AT if option == PAGE else "Listening on {where} ({endpoint})"
                _log.info(told, where=where, url=browser_url(text, where), endpoint=text)
                clear |= in_clear(text, self._own(option), port)
            if option == PAGE:
                self._advise_on_names(self._ports[-len(self._endpoints[PAGE]) :])
        if clear:
            _log.warn("{advice}", advice=ADVICE)
        if self._certificate is not None:
            _log.info("{certificate}", certificate=self._certificate)

    async def close(self) -> None:
        self._accepting.stop()
        for port in self._ports:
            await port.stopListening()

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


def browser_url(endpoint: str, where: str) -> str:
    """The URL to open in a browser."""
    if ":" not in where:
        return where
    host, _, port = where.rpartition(":")
    # A server that listens on every interface can be reached by this name.
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    scheme = "https" if endpoint.startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
