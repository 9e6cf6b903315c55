"""The service that is broken: server, store, and a proxy on each way, as a fault needs them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Set
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import endpoints
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from chatroom.store.valkey.binary import find_binary
from tests.system.torture.faults import Need
from tests.system.torture.processes import OwnRedis, PrivateStore, Server, Store
from tests.system.torture.proxy import Proxy
from tests.system.torture.stage import Ballast, slow_disk, small_disk

#: The size of a small disk.
SMALL = "12m"


class Service:
    """Set up, and tended until it is cleared away.

    :param folder: where everything goes that it leaves.
    :param options: more for the server.
    :param code: a folder with a ``chatroom`` package to run in place of the checkout's.
    :param chance: gives what is random for the one that is named.
    """

    def __init__(
        self,
        reactor: Any,
        folder: Path,
        needs: Set[Need],
        options: str,
        code: Path | None,
        chance: Callable[[str], Random],
    ) -> None:
        self._reactor = reactor
        self._folder = folder
        self._needs = needs
        self._options = options
        self._code = code
        self._chance = chance
        self.server: Server
        self.store: Store
        #: Between clients and server, and, where there is a Redis, between server and store.
        self.front: Proxy
        self.back: Proxy
        self._disk = folder
        self._proxies: list[Proxy] = []
        self._stack = contextlib.ExitStack()
        self._tending = LoopingCall(self._tend)
        self._tending.clock = reactor

    async def set_up(self) -> Any:
        """Start everything, and wait until clients may connect.

        :returns: an endpoint by which clients come through the proxy.
        :raises PermissionError: what is needed can't be had here.
        """
        # Also where somebody has no patience with us.
        self._trigger = self._reactor.addSystemEventTrigger("before", "shutdown", self._stack.close)
        # Apart from the folder, whose path can be longer than a socket's may be.
        sockets = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="chatroom-"))
        proxied, behind = Path(sockets) / "proxy.sock", Path(sockets) / "redis.sock"
        if Need.REDIS in self._needs:
            target: Any = endpoints.UNIXClientEndpoint(self._reactor, str(behind))
            self.back = self._proxy(target, "back")
            self.back.port = self._reactor.listenUNIX(str(proxied), self.back)
        await deferToThread(self._set_stage, proxied, behind)
        for process in (self.store, self.server):
            if not isinstance(process, PrivateStore):
                process.start()
                await deferToThread(process.wait_until_ready)
        self._tending.start(0.1)
        target = endpoints.TCP4ClientEndpoint(self._reactor, "127.0.0.1", self.server.port)
        self.front = self._proxy(target, "front")
        port = self.front.port = self._reactor.listenTCP(0, self.front, interface="127.0.0.1")
        return endpoints.TCP4ClientEndpoint(self._reactor, "127.0.0.1", port.getHost().port)

    def _set_stage(self, proxied: Path, behind: Path) -> None:
        if Need.SMALL_DISK in self._needs:
            self._disk = self._stack.enter_context(small_disk(self._folder, SMALL))
        preload = slow_disk(self._folder) if Need.SLOW_DISK in self._needs else None
        redis: OwnRedis | None = None
        # Before anything is started, so that whatever happens it is ended.
        if Need.REDIS in self._needs:
            redis = OwnRedis(find_binary()[0], self._disk / "redis", behind, preload)
            self._stack.callback(redis.stop)
        self.server = Server(
            self._folder,
            data=self._disk / "data",
            redis=f"unix://{proxied}" if redis else None,
            code=self._code,
            preload=preload,
            more=self._options,
        )
        self.store = redis or PrivateStore(self.server)
        self._stack.callback(self.store.stop)
        self._stack.callback(self.server.stop)

    def _proxy(self, target: Any, name: str) -> Proxy:
        self._proxies.append(Proxy(target, self._chance(name)))
        return self._proxies[-1]

    def _tend(self) -> None:
        self.server.tend()
        self.store.tend()

    def ballast(self, left: int = 0) -> Ballast:
        """What fills the disk of the data folder, but for ``left`` bytes."""
        return Ballast(self._disk, left)

    async def clear(self) -> None:
        """End everything."""
        if self._tending.running:
            self._tending.stop()
        for proxy in self._proxies:
            await proxy.close()
        await deferToThread(self._stack.close)
        self._reactor.removeSystemEventTrigger(self._trigger)
