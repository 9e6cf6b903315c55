"""The server's ports: opened together, told in the log, closed together."""

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
#: As whoever reads the log knows the server.
_log = Logger("chatroom.service")


class Ports:
    """All that ``--listen``, ``--web`` and such name.

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
        self._endpoints = {
            option: [(text, listening_endpoint(reactor, text, self._own(option))) for text in texts]
            for option, texts in endpoints(settings).items()
        }

    def _own(self, option: str) -> Certificate | None:
        # A browser trusts none that signed itself: TLS is an ssl: endpoint's affair, or a proxy's.
        return None if option == PAGE else self._certificate

    async def open(self, factories: Mapping[str, Any]) -> None:
        """Take connections.

        :param factories: what makes their protocols, by the option that says where.
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
    """What to give a browser."""
    if ":" not in where:
        return where
    host, _, port = where.rpartition(":")
    # Every interface has this name at least.
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    scheme = "https" if endpoint.startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
